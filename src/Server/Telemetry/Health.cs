using Indaba.Server.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Indaba.Server.Telemetry;

/// <summary>What a balancer or an operator asks: does the process live, and should it get new connections.</summary>
internal sealed class Health(Database database)
{
    private static readonly TimeSpan DatabasePatience = TimeSpan.FromSeconds(2);

    /// <summary>True from the moment the listeners are up until draining begins.</summary>
    public bool Accepting { get; set; }

    /// <summary>Why the server should get no new connections, or null.</summary>
    public async Task<string?> FaultAsync(CancellationToken cancel = default)
    {
        if (!Accepting) return "not accepting";
        using var patience = new CancellationTokenSource(DatabasePatience, database.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            // Cancelled, not left behind: a database that does not answer would gather one such question a second.
            await database.ReadAsync(static connection => connection.Number("SELECT 1"), either.Token).WaitAsync(either.Token).ConfigureAwait(false);
            return null;
        }
        catch (Exception) when (!cancel.IsCancellationRequested)
        {
            return "database";
        }
    }

    /// <summary><c>/health</c> and <c>/health/ready</c>: 200 "ready" or 503 with the reason. <c>/health/live</c>: 200 while the process answers.</summary>
    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/health/live", static () => Results.Text("live"));
        foreach (var path in new[] { "/health", "/health/ready" })
        {
            app.MapGet(path, async (HttpContext http) =>
            {
                http.Response.Headers.CacheControl = "no-store";
                var fault = await FaultAsync(http.RequestAborted).ConfigureAwait(false);
                return fault is null ? Results.Text("ready") : Results.Text(fault, statusCode: StatusCodes.Status503ServiceUnavailable);
            });
        }
    }
}
