using Indaba.Server.Sessions;
using Indaba.Server.Streams;
using Indaba.Xmpp.Streams;

namespace Indaba.Server.Cluster;

/// <summary>How far a drain has come.</summary>
/// <param name="Phase">"serving", "notice" (the balancer is to take it out), "ending" (sessions are sent elsewhere), or "drained".</param>
internal sealed record DrainStatus(string Phase, int Sessions);

/// <summary>
/// Empties this node: the balancer is told, and then one session after another is ended so that its device logs in at
/// another node. Bit by bit, because all at once would be a storm for the others.
/// <para>
/// The stream error is <c>reset</c> (RFC 6120 section 4.9.3.16), not <c>system-shutdown</c>: the service goes on, only this
/// stream must be negotiated again. Conversations treats both alike (a session older than half a minute comes back at once;
/// without any error it would wait 2 to 12 seconds), Gajim comes back after 3 seconds either way but shows its user a
/// notification "Server Shutdown" for the latter. <c>see-other-host</c> would have to name a host, where nodes behind a
/// balancer have none; slixmpp then also takes that host for the domain.
/// </para>
/// </summary>
internal sealed partial class Drain(Node node) : IAsyncDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);
    private static readonly StreamClosing Elsewhere = new(StreamCondition.Reset, "this node is leaving; another one takes the next connection");

    private readonly CancellationTokenSource _cancel = new();
    private readonly TaskCompletionSource _stopAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private Task? _run;
    private bool _stops;
    private int _ending;
    private volatile string _phase = "serving";

    /// <summary>How far it has come.</summary>
    public DrainStatus Status => new(_phase, node.Sessions.Count + node.Links.Relays.Count.Out);

    /// <summary>Completes once the node is drained and was asked to stop then.</summary>
    public Task StopAsked => _stopAsked.Task;

    /// <summary>Begins, or does nothing when it has begun; with <paramref name="stop"/> the process ends after it.</summary>
    public void Begin(bool stop)
    {
        lock (_lock)
        {
            _stops |= stop;
            if (_run is null)
            {
                _phase = "notice";
                _run = Task.Run(RunAsync);
            }
            if (_phase == "drained" && _stops) _stopAsked.TrySetResult();
        }
    }

    /// <summary>As <see cref="Begin"/>, within the time of a stop; what is not ended by then is left to the stop.</summary>
    public async Task HurryAsync(CancellationToken cancel)
    {
        var time = TimeSpan.FromSeconds(node.Options.Cluster.StopSeconds);
        var notice = TimeSpan.FromSeconds(Math.Min(node.Options.Cluster.DrainNoticeSeconds, node.Options.Cluster.StopSeconds / 3.0));
        if (node.SendsAway) notice = TimeSpan.Zero; // it was told long ago
        try
        {
            await EmptyAsync(notice, time - notice, cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException) { /* the time is over */ }
    }

    public async ValueTask DisposeAsync()
    {
        if (_cancel.IsCancellationRequested) return;
        await _cancel.CancelAsync().ConfigureAwait(false);
        if (_run is not null) await _run.ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        try
        {
            var options = node.Options.Cluster;
            await EmptyAsync(TimeSpan.FromSeconds(options.DrainNoticeSeconds), TimeSpan.FromSeconds(options.DrainSeconds), _cancel.Token).ConfigureAwait(false);
            LogDrained(node.Log);
            lock (_lock) if (_stops) _stopAsked.TrySetResult();
        }
        catch (OperationCanceledException) { /* the process stops meanwhile, and does it in its own way */ }
    }

    private async Task EmptyAsync(TimeSpan notice, TimeSpan spread, CancellationToken cancel)
    {
        if (node.Lifecycle.Advance(NodeState.Draining)) LogDraining(node.Log, node.Sessions.Count, notice.TotalSeconds, spread.TotalSeconds);
        _phase = "notice";
        if (notice > TimeSpan.Zero) await Task.Delay(notice, node.Time, cancel).ConfigureAwait(false);
        node.SendsAway = true;
        _phase = "ending";
        using var timer = new PeriodicTimer(Tick, node.Time);
        for (var left = (int)(spread / Tick); !IsEmpty; left--)
        {
            // All sessions of an account together, so that it can go where the first of them comes in.
            var accounts = node.Sessions.All.GroupBy(s => s.Account).ToArray();
            foreach (var account in accounts.Take(Share(accounts.Length, left)))
            {
                foreach (var session in account) _ = EndAsync(session);
            }
            var relays = node.Links.Relays.Gateways.ToArray();
            foreach (var relay in relays.Take(Share(relays.Length, left))) _ = relay.SendAwayAsync(Elsewhere);
            await timer.WaitForNextTickAsync(cancel).ConfigureAwait(false);
        }
        _phase = "drained";
    }

    /// <summary>How many of so many go in one of the turns that are left: all in the last, and in those after it.</summary>
    internal static int Share(int left, int turnsLeft) => turnsLeft <= 1 ? left : (left + turnsLeft - 1) / turnsLeft;

    private bool IsEmpty => node.Sessions.Count == 0 && node.Links.Relays.Count.Out == 0 && Volatile.Read(ref _ending) == 0;

    private async Task EndAsync(Session session)
    {
        Interlocked.Increment(ref _ending);
        try
        {
            await session.EndAsync(notifyPeers: true, Elsewhere).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            LogEndFailed(node.Log, session.JidText, error); // it is out of the table; what it had not acked is in the log
        }
        finally
        {
            Interlocked.Decrement(ref _ending);
        }
    }

    [LoggerMessage(2020, LogLevel.Information, "Draining: {Sessions} sessions are sent elsewhere over {Spread} s, after {Notice} s for the balancer")]
    private static partial void LogDraining(ILogger log, int sessions, double notice, double spread);

    [LoggerMessage(2021, LogLevel.Information, "Drained: no session is left")]
    private static partial void LogDrained(ILogger log);

    [LoggerMessage(2022, LogLevel.Error, "{Jid}: ending the session failed")]
    private static partial void LogEndFailed(ILogger log, string jid, Exception error);
}
