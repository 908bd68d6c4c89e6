using System.Diagnostics.Metrics;

namespace Indaba.Server.Storage;

/// <summary>What storage counts.</summary>
internal sealed class StorageMetrics : IDisposable
{
    public const string MeterName = "Indaba.Storage";

    private readonly Meter _meter;
    private readonly Counter<long> _commits, _rows, _failures, _reconnects, _fenced, _jobRetries;
    private readonly Histogram<int> _batch;
    private readonly Histogram<double> _commit, _checkpoint;
    private static readonly KeyValuePair<string, object?> OnWriter = new("indaba.thread", "writer"), Beside = new("indaba.thread", "background");

    public StorageMetrics(IMeterFactory? meters)
    {
        _meter = meters?.Create(MeterName) ?? new Meter(MeterName);
        _commits = _meter.CreateCounter<long>("indaba.storage.commits", "{commit}", "Group commits that are on disk");
        _rows = _meter.CreateCounter<long>("indaba.storage.rows", "{row}", "Rows in those commits");
        _failures = _meter.CreateCounter<long>("indaba.storage.commit.failures", "{commit}", "Group commits that failed and were undone");
        _reconnects = _meter.CreateCounter<long>("indaba.storage.reconnects", "{connection}", "Connections to PostgreSQL that were opened again after one broke");
        _fenced = _meter.CreateCounter<long>("indaba.storage.fenced", "{row}", "Log entries refused because another node has claimed the account");
        _jobRetries = _meter.CreateCounter<long>("indaba.storage.job.retries", "{job}", "Jobs run again because another one was in their way");
        _batch = _meter.CreateHistogram<int>("indaba.storage.batch.size", "{item}", "Appends and jobs in a group commit",
            advice: new() { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] });
        _commit = _meter.CreateHistogram("indaba.storage.commit.duration", "s", "A group commit from its begin to the disk",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [.0002, .0005, .001, .002, .005, .01, .02, .05, .1, .5, 1, 5] });
        _checkpoint = _meter.CreateHistogram("indaba.storage.checkpoint.duration", "s", "Moving the write-ahead log into the file",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [.001, .005, .01, .05, .1, .5, 1, 5] });
    }

    /// <summary>Shows the queue; called once, by the database.</summary>
    public void Observe(Func<int> length, Func<double> oldestSeconds)
    {
        _meter.CreateObservableGauge("indaba.storage.queue.length", length, "{item}", "Appends and jobs that wait for their commit");
        _meter.CreateObservableGauge("indaba.storage.queue.age", oldestSeconds, "s", "How long the oldest of them has waited");
    }

    /// <summary>Shows how much of the log lies above its index.</summary>
    public void ObserveTail(Func<int> rows) =>
        _meter.CreateObservableGauge("indaba.mailbox.unindexed", rows, "{row}", "Log entries that are not indexed yet");

    public void Batch(int items, int rows, TimeSpan duration, bool failed)
    {
        if (failed)
        {
            _failures.Add(1);
            return;
        }
        _commits.Add(1);
        _rows.Add(rows);
        _batch.Record(items);
        _commit.Record(duration.TotalSeconds);
    }

    public void Reconnected() => _reconnects.Add(1);

    public void Fenced(int rows) => _fenced.Add(rows);

    public void JobRetried() => _jobRetries.Add(1);

    public void Checkpoint(TimeSpan duration, bool onWriter) => _checkpoint.Record(duration.TotalSeconds, onWriter ? OnWriter : Beside);

    public void Dispose() => _meter.Dispose();
}
