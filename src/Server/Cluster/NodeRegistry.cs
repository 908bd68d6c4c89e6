using System.Globalization;
using Indaba.Server.Storage;
using Indaba.Server.Telemetry;

namespace Indaba.Server.Cluster;

/// <summary>A node as the operator sees it.</summary>
/// <param name="Silent">Since when nothing was heard of it, when that is long: it is gone, frozen, or cut off from the database.</param>
internal sealed record NodeView(NodeRow Row, TimeSpan? Silent, bool IsThis);

/// <summary>
/// Tells the database every two seconds how this node is, and takes over the settings that another node has changed. It is
/// for the operator's eyes: who holds what and who is dead is Orleans' affair. One write is under way at most, so a frozen
/// database holds up this loop and nothing else.
/// </summary>
internal sealed partial class NodeRegistry : IAsyncDisposable
{
    /// <summary>Between two rows, and between two looks at the shared settings.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(2);
    /// <summary>Between two rows of a node alone: nobody else can read them, and each is a commit that would keep a disk awake.</summary>
    private static readonly TimeSpan AlonePeriod = TimeSpan.FromMinutes(1);
    /// <summary>Silence from which it is shown: three rows are missing.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(7);
    /// <summary>How long a node that died is remembered.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromHours(1);
    private static readonly TimeSpan RemoveLimit = TimeSpan.FromSeconds(1);

    private readonly Node _node;
    private readonly NodeStore _store;
    private readonly SharedSettings _shared;
    private readonly CommitTimes _commits;
    private readonly string _address, _ports;
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;
    private volatile NodeRow _current;
    private TimeSpan _cpu;
    private long _sampled;

    public NodeRegistry(Node node, NodeStore store, SharedSettings shared, CommitTimes commits, string address, string ports)
    {
        (_node, _store, _shared, _commits, _address, _ports) = (node, store, shared, commits, address, ports);
        (_cpu, _sampled) = (Environment.CpuUsage.TotalTime, node.Time.GetTimestamp());
        _current = Sample();
    }

    /// <summary>How this node is, at most two seconds old.</summary>
    public NodeRow Current => _current;

    /// <summary>Writes the first row and goes on by itself.</summary>
    public void Start() => _loop = Task.Run(LoopAsync);

    /// <summary>All nodes, this one as it is now.</summary>
    public async Task<IReadOnlyList<NodeView>> ListAsync(CancellationToken cancel)
    {
        var (rows, now) = await _store.ListAsync(cancel).ConfigureAwait(false);
        var others = rows.Where(r => r.Name != _node.Name).Select(r => new NodeView(r, now - r.BeatAt > Patience ? now - r.BeatAt : null, IsThis: false));
        var own = _current with { State = Word(_node.Lifecycle.State), BeatAt = now, Sessions = _node.Sessions.Count, Accounts = _node.Accounts.Count, Queue = _node.Mailbox.QueueLength };
        return [.. others.Append(new NodeView(own, null, IsThis: true)).OrderBy(v => v.Row.StartedAt).ThenBy(v => v.Row.Name, StringComparer.Ordinal)];
    }

    /// <summary>Ends, and takes this node's row away if the database lets it: who leaves in order is not missed.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        try
        {
            await _store.RemoveAsync(_node.Name).WaitAsync(RemoveLimit, _node.Time).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // the row tells by its age
        }
        _stop.Dispose();
    }

    private async Task LoopAsync()
    {
        using var timer = new PeriodicTimer(Period, _node.Time);
        NodeRow? written = null;
        try
        {
            for (var turn = 0; ; turn++)
            {
                try
                {
                    _current = Sample();
                    // A node alone finds only rows of its own former lives.
                    if (turn % 100 == 0) await _store.PruneAsync(_node.InCluster ? Kept : TimeSpan.Zero, _stop.Token).WaitAsync(_stop.Token).ConfigureAwait(false);
                    if (_node.InCluster || written is null || written.State != _current.State || _current.BeatAt - written.BeatAt >= AlonePeriod)
                    {
                        await _store.BeatAsync(_current, _stop.Token).WaitAsync(_stop.Token).ConfigureAwait(false);
                        written = _current;
                    }
                    await _shared.PollAsync(_stop.Token).WaitAsync(_stop.Token).ConfigureAwait(false);
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    LogFailed(_node.Log, error); // it is tried again in two seconds
                }
                await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) { /* stopping */ }
    }

    private NodeRow Sample()
    {
        var (cpu, now) = (Environment.CpuUsage.TotalTime, _node.Time.GetTimestamp());
        var elapsed = _node.Time.GetElapsedTime(_sampled, now);
        var load = elapsed > TimeSpan.Zero ? (cpu - _cpu) / elapsed * 100 : 0;
        (_cpu, _sampled) = (cpu, now);
        var (p50, p99) = _commits.Take();
        return new NodeRow(_node.Name, _address, _ports, Version, "gateway,core", Word(_node.Lifecycle.State), _node.StartedAt, _node.Time.GetUtcNow(),
            _node.Sessions.Count, _node.Accounts.Count, load, Environment.WorkingSet, p50, p99, _node.Mailbox.QueueLength);
    }

    private static string Version { get; } = typeof(NodeRegistry).Assembly.GetName().Version!.ToString(3);

    private static string Word(NodeState state) => state.ToString().ToLower(CultureInfo.InvariantCulture);

    [LoggerMessage(2000, LogLevel.Warning, "this node could not tell the database how it is, or not read the shared settings; it is tried again")]
    private static partial void LogFailed(ILogger log, Exception error);
}
