using System.Diagnostics.Metrics;
using Indaba.Server.Storage;

namespace Indaba.Server.Telemetry;

/// <summary>How long commits take, since the last look: storage's own instrument, gathered in buckets four to an octave.</summary>
internal sealed class CommitTimes : IDisposable
{
    private const int PerOctave = 4;
    private const double Smallest = 1e-5; // seconds
    private readonly MeterListener _listener = new();
    private readonly long[] _counts = new long[96]; // 2^24 times the smallest: 168 s

    public CommitTimes()
    {
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name == StorageMetrics.MeterName && instrument.Name == "indaba.storage.commit.duration") listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((_, seconds, _, _) => Record(seconds));
        _listener.Start();
    }

    /// <summary>Median and 99th percentile in milliseconds, 0 when nothing was committed; begins anew.</summary>
    public (double P50, double P99) Take()
    {
        var counts = new long[_counts.Length];
        for (var i = 0; i < counts.Length; i++) counts[i] = Interlocked.Exchange(ref _counts[i], 0);
        var all = counts.Sum();
        return (At(counts, all * 0.5), At(counts, all * 0.99));
    }

    internal void Record(double seconds)
    {
        var bucket = seconds <= Smallest ? 0 : (int)(Math.Log2(seconds / Smallest) * PerOctave);
        Interlocked.Increment(ref _counts[Math.Min(bucket, _counts.Length - 1)]);
    }

    public void Dispose() => _listener.Dispose();

    private static double At(long[] counts, double rank)
    {
        var below = 0L;
        for (var i = 0; i < counts.Length; i++)
        {
            below += counts[i];
            if (counts[i] > 0 && below >= rank) return Smallest * Math.Pow(2, (i + 1d) / PerOctave) * 1000; // the bucket's upper end
        }
        return 0;
    }
}
