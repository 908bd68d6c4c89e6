namespace Indaba.Faults;

/// <summary>One fault that was made.</summary>
/// <param name="Fault">Which.</param>
/// <param name="IsMixed">True when others were made at the same time.</param>
/// <param name="Where">The node it was about, or empty.</param>
/// <param name="Held">How long it lasted.</param>
/// <param name="Served">For each pair the time until it was served again; null when it was not within the limit.</param>
/// <param name="Begin">For each pair how many messages were made when it began.</param>
/// <param name="End">The same when all was well again.</param>
internal sealed record Outcome(Fault Fault, bool IsMixed, string Where, TimeSpan Held, IReadOnlyList<TimeSpan?> Served, int[] Begin, int[] End)
{
    /// <summary>The time after which half of the pairs were served again.</summary>
    public TimeSpan Median => Quantile(Served.OfType<TimeSpan>(), 0.5);
    /// <summary>The time after which all of them were.</summary>
    public TimeSpan Worst => Quantile(Served.OfType<TimeSpan>(), 1);
    /// <summary>Pairs that were not served within the limit.</summary>
    public int Unserved => Served.Count(s => s is null);

    /// <summary>A quantile by the nearest rank.</summary>
    public static TimeSpan Quantile(IEnumerable<TimeSpan> times, double q)
    {
        var sorted = times.Order().ToList();
        return sorted.Count == 0 ? TimeSpan.Zero : sorted[Math.Clamp((int)Math.Ceiling(q * sorted.Count) - 1, 0, sorted.Count - 1)];
    }
}
