using System.Diagnostics;

namespace Indaba.Load;

/// <summary>Times, counted in steps of a twentieth of their size. Threads may add at once.</summary>
internal sealed class Histogram
{
    private const double Step = 1.05;
    private static readonly double LogStep = Math.Log(Step);
    private readonly long[] _counts = new long[400]; // 1 µs to 5 minutes

    /// <summary>Adds the time since <paramref name="start"/>, a timestamp of <see cref="Stopwatch"/>.</summary>
    public void AddSince(long start)
    {
        var micros = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        var at = micros <= 1 ? 0 : Math.Min(_counts.Length - 1, (int)(Math.Log(micros) / LogStep));
        Interlocked.Increment(ref _counts[at]);
    }

    /// <summary>Forgets everything.</summary>
    public void Clear() => Array.Clear(_counts);

    /// <summary>The time in milliseconds below which a share of all lie.</summary>
    public double Milliseconds(double share)
    {
        var wanted = share * _counts.Sum();
        double seen = 0;
        for (var i = 0; i < _counts.Length; i++)
        {
            seen += _counts[i];
            if (seen >= wanted && seen > 0) return Math.Pow(Step, i + 0.5) / 1000;
        }
        return 0;
    }

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"p50 {Milliseconds(0.5):0.00} ms, p95 {Milliseconds(0.95):0.00} ms, p99 {Milliseconds(0.99):0.00} ms, p99.9 {Milliseconds(0.999):0.00} ms");
}
