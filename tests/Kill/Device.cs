using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Kill;

/// <summary>
/// One end: logs in, resumes or logs in again after each break, until it is told to stop. The server may die at any
/// step, so every exchange may end in a broken connection; that is the normal case here, not an error.
/// </summary>
internal abstract class Device(TestServer server, string account, bool resumes)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(40);
    private WireClient? _last;

    /// <summary>Runs until cancelled.</summary>
    public async Task Run(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await Connect(stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (IsBroken(e) || e is OperationCanceledException)
            {
                // expected: try again
            }
            if (!stop.IsCancellationRequested) await Task.Delay(Patience, CancellationToken.None);
        }
    }

    /// <summary>The server to connect to.</summary>
    protected TestServer Server => server;

    /// <summary>A stream that was continued: acks for it may have come in with the answer.</summary>
    protected abstract void OnResumed(WireClient client);

    /// <summary>A stream could not be continued, or was ended; the <c>h</c> of the refusal is already counted.</summary>
    protected abstract void OnLost(WireClient earlier);

    /// <summary>A new session is bound: does what comes before stream management.</summary>
    protected abstract Task OnBound(WireClient client, CancellationToken stop);

    /// <summary>Lives on the stream until it breaks or the device goes away by itself; true to log out in order first.</summary>
    protected abstract Task<bool> Live(WireClient client, CancellationToken stop);

    /// <summary>True for whatever a dying server causes.</summary>
    protected static bool IsBroken(Exception e) => e is IOException or SocketException or WireException or WebSocketException or AuthenticationException or ObjectDisposedException;

    private async Task Connect(CancellationToken stop)
    {
        await using var client = await WireClient.Connect(server);
        client.Name = account;
        await client.Authenticate(account, TestServer.Password);
        if (_last is not null && !await TryResume(client)) OnLost(_last);
        if (client.Jid.Length == 0)
        {
            _last = null;
            await client.Bind("device");
            await OnBound(client, stop);
            // The client counts from <enable/> on; what comes before <enabled/> does not count.
            client.Sm = new SmState();
            _last = client;
            await client.Send(new Element("enable", Ns.StreamManagement).With("resume", resumes ? "true" : null));
        }
        else
        {
            _last = client;
            OnResumed(client);
        }
        if (!await Live(client, stop)) return;
        await client.Close();
        OnLost(client);
        _last = null;
    }

    private async Task<bool> TryResume(WireClient client)
    {
        if (!resumes || _last!.Sm!.Id is null) return false;
        return (await client.Resume(_last)).Name == "resumed";
    }
}
