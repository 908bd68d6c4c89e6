using CsCheck;

namespace Indaba.Xmpp.Tests;

public class TimestampTests
{
    [Theory]
    [InlineData("1969-07-21T02:56:15Z", "1969-07-21T02:56:15.000Z")]
    [InlineData("1969-07-20T21:56:15-05:00", "1969-07-21T02:56:15.000Z")]
    [InlineData("2026-01-02T03:04:05.6Z", "2026-01-02T03:04:05.600Z")]
    [InlineData("2026-01-02T03:04:05.123456789012+02:00", "2026-01-02T01:04:05.123Z")]
    [InlineData("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z")]
    public void Valid(string text, string expected)
    {
        Assert.True(Timestamp.TryParse(text, out var time));
        Assert.Equal(expected, Timestamp.Format(time));
    }

    // S7: times that have brought others down.
    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("now")]
    [InlineData("2026-01-02")]
    [InlineData("2026-01-02T03:04:05")] // no zone
    [InlineData("20260102T03:04:05")]
    [InlineData("2026-13-02T03:04:05Z")]
    [InlineData("2026-02-30T03:04:05Z")]
    [InlineData("2026-01-02T25:04:05Z")]
    [InlineData("2026-01-02T03:04:05.Z")]
    [InlineData("2026-01-02T03:04:05.Zx")]
    [InlineData("2026-01-02T03:04:05+99:00")]
    [InlineData("0000-01-01T00:00:00Z")]
    [InlineData("-0001-01-01T00:00:00Z")]
    [InlineData("10000-01-01T00:00:00Z")]
    [InlineData("9999-12-31T23:59:59-14:00")]
    [InlineData("0001-01-01T00:00:00+14:00")]
    [InlineData("99999999999999999999999-01-01T00:00:00Z")]
    [InlineData("2026-01-02T03:04:05Z\0")]
    [InlineData("2026-01-02T03:04:05\0Z")]
    [InlineData(" 2026-01-02T03:04:05Z")]
    [InlineData("２026-01-02T03:04:05Z")]
    public void Invalid(string? text) => Assert.False(Timestamp.TryParse(text, out _));

    [Fact]
    public void What_is_written_is_read() => Gen.DateTimeOffset.Sample(time =>
    {
        Assert.True(Timestamp.TryParse(Timestamp.Format(time), out var read));
        Assert.True((time - read).Duration() < TimeSpan.FromMilliseconds(1));
    });

    [Fact]
    public void Nothing_throws() => Gen.OneOf(Gen.String, Gen.Char["0123456789-T:.Z+"].Array[0, 70].Select(c => new string(c))).Sample(text => Timestamp.TryParse(text, out var time) || time == default);
}
