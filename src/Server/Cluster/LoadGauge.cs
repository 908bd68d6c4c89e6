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

    /// <summary>The load now.</summary>
    public NodeLoad Load => new(node.Sessions.Count, node.Options.Cluster.Sessions is > 0 and var set ? set : _fitting, Volatile.Read(ref _cpu), node.Mailbox.OldestWaiting);

    /// <summary>What has been wrong for longer than the settings are patient with, or null. A database that restarts is back within that time; cutting every session for it would only add a storm.</summary>
    public string? Fault => Volatile.Read(ref _silentSince) is var since and not 0 && node.Time.GetElapsedTime(since).TotalSeconds >= node.Options.Cluster.DatabaseSeconds ? "database" : null;

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
                var (now, total) = (node.Time.GetTimestamp(), Environment.CpuUsage.TotalTime);
                var share = (total - used) / (node.Time.GetElapsedTime(at, now) * Environment.ProcessorCount);
                Volatile.Write(ref _cpu, _cpu + Smoothing * (Math.Clamp(share, 0, 1) - _cpu));
                (at, used) = (now, total);
            }
        }
        catch (OperationCanceledException) { /* stopping */ }
    }
}
