namespace Indaba.Server.Tests.Storage;

/// <summary>A wall clock that the test moves; timers and stopwatches are the machine's.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long _now = new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero).ToUnixTimeMilliseconds();

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(Interlocked.Read(ref _now));

    public void Advance(TimeSpan by) => Interlocked.Add(ref _now, (long)by.TotalMilliseconds);
}
