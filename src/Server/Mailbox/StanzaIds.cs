using System.Diagnostics.CodeAnalysis;

namespace Indaba.Server.Mailbox;

/// <summary>
/// The stanza-id (XEP-0359) of a log entry: the account's tag (8 characters) and its position in base 36. It finds the
/// entry by the log's own key, and an account that is created again under the same name never repeats one.
/// </summary>
internal static class StanzaIds
{
    private const int TagLength = 8;
    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";

    /// <summary>The id of a position.</summary>
    public static string Format(string tag, long seq)
    {
        Span<char> buffer = stackalloc char[TagLength + 13];
        var i = buffer.Length;
        do
        {
            buffer[--i] = Digits[(int)(seq % 36)];
            seq /= 36;
        }
        while (seq > 0);
        tag.CopyTo(buffer[(i - TagLength)..]);
        return new string(buffer[(i - TagLength)..]);
    }

    /// <summary>Takes an id apart; false when it has not the form.</summary>
    public static bool TryParse(string id, [NotNullWhen(true)] out string? tag, out long seq)
    {
        tag = null;
        seq = 0;
        if (id.Length is <= TagLength or > TagLength + 12) return false;
        foreach (var c in id.AsSpan(TagLength))
        {
            var digit = Digits.IndexOf(c, StringComparison.Ordinal);
            if (digit < 0) return false;
            seq = seq * 36 + digit;
        }
        tag = id[..TagLength];
        return true;
    }
}
