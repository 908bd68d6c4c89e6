namespace Indaba.Server.Streams;

/// <summary>
/// Holds one connection to its bytes per second by reading it later (a token bucket): nothing is refused or lost, the
/// sender's TCP window fills instead.
/// </summary>
internal sealed class Shaper(Node node)
{
    private long _seen, _last;
    private double _tokens = double.NaN;

    /// <summary>Waits until the bytes read so far are within the rate.</summary>
    public async ValueTask TakeAsync(long bytesRead, CancellationToken cancel)
    {
        var limits = node.Options.Limits;
        var rate = limits.BytesPerSecond;
        var taken = bytesRead - _seen;
        _seen = bytesRead;
        if (rate <= 0) return;
        var now = node.Time.GetTimestamp();
        if (double.IsNaN(_tokens)) _tokens = limits.BurstBytes;
        else _tokens = Math.Min(limits.BurstBytes, _tokens + node.Time.GetElapsedTime(_last, now).TotalSeconds * rate);
        _last = now;
        _tokens -= taken;
        if (_tokens >= 0) return;
        await Task.Delay(TimeSpan.FromSeconds(Math.Min(60, -_tokens / rate)), node.Time, cancel).ConfigureAwait(false);
    }
}
