using Indaba.Server.Streams;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Indaba.Server.Gateway;

/// <summary>
/// Stands in front of the handshake of direct TLS: it waits there for a place among the logins (<see cref="Admission"/>),
/// and closes when too many wait. Nothing could be said before the handshake, and the handshake is what costs.
/// </summary>
internal static class LoginDoor
{
    /// <summary>Comes before <c>UseHttps</c>.</summary>
    public static ListenOptions UseLoginDoor(this ListenOptions listener, Func<Admission> admission)
    {
        listener.Use(next => connection => EnterAsync(connection, admission(), next));
        return listener;
    }

    private static async Task EnterAsync(ConnectionContext connection, Admission admission, ConnectionDelegate next)
    {
        AdmissionTicket? ticket;
        try
        {
            ticket = await admission.EnterAsync(connection.ConnectionClosed).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return;
        }
        if (ticket is null)
        {
            admission.ComeBackSeconds(); // counts
            return;
        }
        using (ticket)
        {
            ticket.ClientsTurn(); // most of a handshake is the way there and back
            connection.Features.Set(ticket);
            await next(connection).ConfigureAwait(false);
        }
    }
}
