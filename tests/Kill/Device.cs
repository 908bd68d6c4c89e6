using System.Diagnostics;
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
internal abstract class Device(WireTarget server, string account, Habits habits, Refusals refusals)
{
    private readonly TaskCompletionSource _bound = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WireClient? _last;
    private WireClient? _now;
    private long _heard; // when something last came

    /// <summary>Done when it has bound for the first time.</summary>
    public Task Bound => _bound.Task;

    /// <summary>Connections that were given up because nothing came any more.</summary>
    public int GivenUp { get; private set; }

    /// <summary>Runs until cancelled.</summary>
    public async Task Run(CancellationToken stop)
    {
        var pause = habits.Pause;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (await Connect(stop)) pause = habits.Pause;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (IsBroken(e) || e is OperationCanceledException)
            {
                // expected: try again
            }
            if (stop.IsCancellationRequested) return;
            await Task.Delay(pause, CancellationToken.None);
            pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, habits.LongestPause.Ticks));
        }
    }

    /// <summary>Breaks the connection as it is now, if there is one.</summary>
    public void Cut()
    {
        try
        {
            _now?.Cut();
        }
        catch (ObjectDisposedException)
        {
            // it broke just now
        }
    }

    /// <summary>What it is like.</summary>
    protected Habits Habits => habits;

    /// <summary>The server to connect to.</summary>
    protected WireTarget Server => server;

    /// <summary>A stream that was continued: acks for it may have come in with the answer.</summary>
    protected abstract void OnResumed(WireClient client);

    /// <summary>A stream could not be continued, or was ended; the <c>h</c> of the refusal is already counted.</summary>
    protected abstract void OnLost(WireClient earlier);

    /// <summary>A new session is bound and says nothing yet.</summary>
    protected abstract Task OnBound(WireClient client, CancellationToken stop);

    /// <summary>Lives on the stream until it breaks or the device goes away by itself; true to log out in order first.</summary>
    protected abstract Task<bool> Live(WireClient client, bool isNew, CancellationToken stop);

    /// <summary>True for whatever a dying server causes.</summary>
    protected static bool IsBroken(Exception e) => e is IOException or SocketException or WireException or WebSocketException or AuthenticationException or ObjectDisposedException or HttpRequestException;

    /// <summary>The next element of the stream, or null at its end.</summary>
    protected async ValueTask<Element?> Read(WireClient client, CancellationToken cancel)
    {
        var element = await client.Read(cancel);
        Volatile.Write(ref _heard, Stopwatch.GetTimestamp());
        if (element is not null) refusals.Note(account, element);
        return element;
    }

    /// <summary>Logs in as this device with a new session and classic stream management, for a look at the end.</summary>
    protected async Task<WireClient> LogInAnew()
    {
        var client = await WireClient.Connect(server, habits.Transport);
        client.Name = account;
        if (habits.Return == Return.InOneRoundTrip)
        {
            await client.Authenticate2(account, TestServer.Password, userAgent: habits.Installation, inline: [Bind2(enable: false)]);
        }
        else
        {
            await client.Authenticate(account, TestServer.Password);
            await client.Bind(habits.Name);
        }
        await client.EnableSm();
        return client;
    }

    /// <summary>One connection, to its end. True when it came so far that it lived.</summary>
    private async Task<bool> Connect(CancellationToken stop)
    {
        await using var client = await WireClient.Connect(server, habits.Transport);
        client.Name = account;
        try
        {
            if (habits.Return == Return.InOneRoundTrip) await ReturnInOneRoundTrip(client, stop);
            else await ReturnStepByStep(client, stop);
        }
        catch (WireException)
        {
            foreach (var element in client.Inbox) refusals.Note(account, element);
            throw;
        }
        _now = client;
        using var watch = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var watching = habits.Silence is { } silence ? Watch(client, silence, watch.Token) : Task.CompletedTask;
        try
        {
            if (!await Live(client, _isNew, stop)) return true;
        }
        finally
        {
            _now = null;
            await watch.CancelAsync();
            await watching;
        }
        await client.Close();
        OnLost(client);
        _last = null;
        return true;
    }

    private bool _isNew;

    private async Task ReturnStepByStep(WireClient client, CancellationToken stop)
    {
        var outcome = await client.TryAuthenticate(account, TestServer.Password);
        if (outcome.Name != "success")
        {
            refusals.Note(account, outcome);
            throw client.Failed($"authentication was refused: {outcome}");
        }
        client.Link.Restart();
        await client.Open();
        _isNew = true;
        if (_last is not null)
        {
            if (habits.Return == Return.Resumes && _last.Sm!.Id is not null && (await client.Resume(_last)).Name == "resumed") _isNew = false;
            else OnLost(_last);
        }
        if (!_isNew)
        {
            _last = client;
            OnResumed(client);
            return;
        }
        _last = null;
        await client.Bind(habits.Name);
        await OnBound(client, stop);
        // The client counts from <enable/> on; what comes before <enabled/> does not count.
        client.Sm = new SmState();
        _last = client;
        _bound.TrySetResult();
        await client.Send(new Element("enable", Ns.StreamManagement).With("resume", habits.Return == Return.LogsIn ? null : "true"));
    }

    private async Task ReturnInOneRoundTrip(WireClient client, CancellationToken stop)
    {
        List<Element> inline = [Bind2(enable: true)];
        if (_last?.Sm is { Id: { } id } earlier) inline.Insert(0, new Element("resume", Ns.StreamManagement).With("previd", id).With("h", $"{earlier.Received}"));
        var success = await client.Authenticate2(account, TestServer.Password, userAgent: habits.Installation, inline: inline);
        if (success.Name != "success")
        {
            refusals.Note(account, success);
            throw client.Failed($"authentication was refused: {success}");
        }
        if (success.Child("resumed", Ns.StreamManagement) is { } resumed)
        {
            var state = _last!.Sm!;
            state.OnAck(resumed["h"]);
            client.Sm = state;
            client.Jid = _last.Jid;
            foreach (var stanza in state.Unacked) await client.SendRaw(stanza);
            _isNew = false;
            _last = client;
            OnResumed(client);
            return;
        }
        if (success.Child("failed", Ns.StreamManagement)?["h"] is { } h) _last?.Sm!.OnAck(h);
        if (_last is not null) OnLost(_last);
        _isNew = true;
        client.Sm = new SmState { Id = success.Child("bound", Ns.Bind2)?.Child("enabled", Ns.StreamManagement)?["id"] };
        _last = client;
        await OnBound(client, stop);
        _bound.TrySetResult();
    }

    private Element Bind2(bool enable)
    {
        var bind = new Element("bind", Ns.Bind2).Add("tag", Ns.Bind2, habits.Name);
        if (enable) bind.Add(new Element("enable", Ns.StreamManagement).With("resume", "true"));
        return bind;
    }

    /// <summary>Asks for a sign of life now and then; cuts the connection when none comes.</summary>
    private async Task Watch(WireClient client, TimeSpan silence, CancellationToken stop)
    {
        Volatile.Write(ref _heard, Stopwatch.GetTimestamp());
        using var tick = new PeriodicTimer(silence / 3);
        try
        {
            while (await tick.WaitForNextTickAsync(stop))
            {
                if (Stopwatch.GetElapsedTime(Volatile.Read(ref _heard)) > silence)
                {
                    GivenUp++;
                    client.Cut();
                    return;
                }
                await client.Send(new Element("r", Ns.StreamManagement));
            }
        }
        catch (Exception e) when (IsBroken(e) || e is OperationCanceledException)
        {
            // it broke, or is over
        }
    }
}
