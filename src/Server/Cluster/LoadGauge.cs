using Indaba.Server.Telemetry;

namespace Indaba.Server.Cluster;

/// <summary>
/// Measures this node in the background, so that whoever asks is answered at once: also when the database hangs, for
/// that is when it matters.
/// </summary>
internal sealed class LoadGauge(Node node, Health health) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    /// <summary>Weight of the newest measure: nine tenths of the mean are of the last ten, 5 seconds; a single collection of garbage does not move clients.</summary>
    private const double Smoothing = 0.2;
    /// <summary>With TLS a session costs 45 kB of native memory and 13 kB of ours (measured); a third of the memory is for everything else.</summary>
    private const long BytesPerSession = 96 * 1024;
    private readonly int _fitting = (int)Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / BytesPerSession, 1, int.MaxValue);
    private double _cpu;
    private long _silentSince;
    private volatile bool _othersServe;
    private Task _asking = Task.CompletedTask;

    /// <summary>The load now.</summary>
    public NodeLoad Load => new(node.Sessions.Count, node.Options.Cluster.Sessions is > 0 and var set ? set : _fitting, Volatile.Read(ref _cpu), node.Mailbox.OldestWaiting);

    /// <summary>
    /// What has been wrong for longer than the settings are patient with, or null. A database that restarts is back within
    /// that time; and while no other node of the cluster has it either, nobody is better served elsewhere: the sessions
    /// stay, their acks wait.
    /// </summary>
    public string? Fault => SilentFor.TotalSeconds >= node.Options.Cluster.DatabaseSeconds && SilentFor > TimeSpan.Zero && (!node.InCluster || _othersServe) ? "database" : null;

    private TimeSpan SilentFor => Volatile.Read(ref _silentSince) is var since and not 0 ? node.Time.GetElapsedTime(since) : TimeSpan.Zero;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, node.Time);
        var (at, used) = (node.Time.GetTimestamp(), Environment.CpuUsage.TotalTime);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                if (health.DatabaseAnswers) Volatile.Write(ref _silentSince, 0);
                else if (_silentSince == 0) Volatile.Write(ref _silentSince, node.Time.GetTimestamp());
                if (_silentSince != 0 && _asking.IsCompleted) _asking = AskOthersAsync();
                if (node.InCluster && Fault is not null) End();
                var (now, total) = (node.Time.GetTimestamp(), Environment.CpuUsage.TotalTime);
                var share = (total - used) / (node.Time.GetElapsedTime(at, now) * Environment.ProcessorCount);
                Volatile.Write(ref _cpu, _cpu + Smoothing * (Math.Clamp(share, 0, 1) - _cpu));
                (at, used) = (now, total);
            }
        }
        catch (OperationCanceledException) { /* stopping */ }
    }

    /// <summary>
    /// This node alone is cut off from the database. It can acknowledge nothing, but to the others it is alive, so its accounts
    /// would wait here for as long as the cut lasts. It ends, at once (nothing that was acknowledged hangs on it), the others
    /// claim its accounts, and its supervisor starts it again.
    /// </summary>
    private void End()
    {
        node.Log.CutOff(SilentFor.TotalSeconds);
        Environment.Exit(CutOffCode);
    }

    /// <summary>The exit code of a node that was cut off: a supervisor starts it again.</summary>
    private const int CutOffCode = 4;

    private async Task AskOthersAsync()
    {
        var answers = await node.Links.AskAllAsync(Question, [], TimeSpan.FromSeconds(1)).ConfigureAwait(false);
        _othersServe = answers.Any(a => a.Span is [1]);
    }

    /// <summary>What nodes ask each other when they have lost the database; the answer is 1 where it still serves.</summary>
    private const string Question = "database";

    /// <summary>Lets other nodes ask this one.</summary>
    public void Answer() => node.Questions[Question] = _ => Task.FromResult<byte[]?>([health.DatabaseAnswers ? (byte)1 : (byte)0]);
}
