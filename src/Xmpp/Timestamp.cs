using System.Globalization;

namespace Indaba.Xmpp;

/// <summary>Times as XEP-0082 version 1.1.1 writes them (its DateTime profile).</summary>
public static class Timestamp
{
    private static readonly string[] Formats = ["yyyy-MM-dd'T'HH:mm:ss'Z'", "yyyy-MM-dd'T'HH:mm:sszzz", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz"];

    /// <summary>A time in UTC with milliseconds: the zone of a server is nobody's business.</summary>
    public static string Format(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>Reads a time with its zone; false for anything else, years beyond 1 to 9999 included. Digits beyond 100 ns are dropped.</summary>
    public static bool TryParse(string? text, out DateTimeOffset time)
    {
        time = default;
        if (text is null || text.Length > 64) return false;
        var dot = text.IndexOf('.');
        var zone = dot < 0 ? -1 : text.AsSpan(dot).IndexOfAny("Z+-") + dot;
        if (zone == dot + 1) return false; // a point and no digit
        if (dot >= 0 && zone - dot > 8) text = text.Remove(dot + 8, zone - dot - 8);
        return DateTimeOffset.TryParseExact(text, Formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time);
    }
}
