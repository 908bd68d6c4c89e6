using System.Reflection;
using System.Text;
using System.Text.Unicode;

namespace Indaba.Xmpp.Xml;

/// <summary>
/// Gives the same string for the same bytes, so that names, namespaces and the fixed words of the protocol cost no
/// allocation. The words that every stream uses are held for good; others take a place in a direct-mapped table that
/// all connections share. A clash only costs an allocation, so nobody can make the table grow or slow down.
/// </summary>
internal sealed class NameTable
{
    private const int MaxLength = 96; // bytes; longer names are not worth a place
    private const int SharedSlots = 2048;

    private readonly string?[] _fixed;
    private readonly string?[] _shared;
    private readonly Func<string, bool> _isValid;

    private NameTable(IEnumerable<string> words, Func<string, bool> isValid, int sharedSlots)
    {
        _isValid = isValid;
        var list = words.Where(w => w.Length is > 0 and <= MaxLength).Distinct().ToList();
        _fixed = new string?[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)list.Count * 8)];
        _shared = new string?[sharedSlots];
        foreach (var word in list)
        {
            var at = Hash(Encoding.UTF8.GetBytes(word)) & (uint)(_fixed.Length - 1);
            while (_fixed[at] is not null) at = (at + 1) & (uint)(_fixed.Length - 1);
            _fixed[at] = word;
        }
    }

    /// <summary>NCNames of elements, attributes and prefixes. What comes out of it is a valid NCName.</summary>
    public static NameTable Names { get; } = new(Words.Names, static s => XmlChars.IsNCName(s), SharedSlots);

    /// <summary>Namespace names.</summary>
    public static NameTable Namespaces { get; } = new(
        typeof(Ns).GetFields(BindingFlags.Public | BindingFlags.Static).Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!),
        static _ => true, SharedSlots);

    /// <summary>Attribute values that are words of the protocol. No shared part: values are people's data.</summary>
    public static NameTable Values { get; } = new(Words.Values, static _ => true, 0);

    /// <summary>The string of these bytes, or null when they are invalid for this table or not UTF-8.</summary>
    public string? Get(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length > MaxLength) return Decode(utf8);
        var hash = Hash(utf8);
        for (var at = hash & (uint)(_fixed.Length - 1); _fixed[at] is { } word; at = (at + 1) & (uint)(_fixed.Length - 1))
        {
            if (Same(word, utf8)) return word;
        }
        if (_shared.Length == 0) return Decode(utf8);
        ref var slot = ref _shared[hash & (uint)(_shared.Length - 1)];
        var known = Volatile.Read(ref slot);
        if (known is not null && Same(known, utf8)) return known;
        var made = Decode(utf8);
        if (made is not null) Volatile.Write(ref slot, made);
        return made;
    }

    private string? Decode(ReadOnlySpan<byte> utf8)
    {
        if (!Utf8.IsValid(utf8)) return null;
        var text = Encoding.UTF8.GetString(utf8);
        return _isValid(text) ? text : null;
    }

    /// <summary>True when the text is what the bytes say; bytes beyond ASCII are decoded.</summary>
    public static bool Same(string text, ReadOnlySpan<byte> utf8)
    {
        if (text.Length == utf8.Length) return System.Text.Ascii.Equals(utf8, text);
        if (text.Length > utf8.Length || utf8.Length > text.Length * 3) return false;
        Span<char> chars = stackalloc char[256];
        if (utf8.Length > chars.Length) return Encoding.UTF8.GetString(utf8) == text;
        return Utf8.ToUtf16(utf8, chars, out _, out var written, replaceInvalidSequences: false) == System.Buffers.OperationStatus.Done
            && chars[..written].SequenceEqual(text);
    }

    // Ends and length tell the protocol's words apart well enough, and cost two loads.
    private static uint Hash(ReadOnlySpan<byte> s)
    {
        ulong a, b;
        if (s.Length >= 8)
        {
            a = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(s);
            b = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(s[^8..]);
            if (s.Length > 16) a ^= System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(s[(s.Length / 2)..]) * 3;
        }
        else
        {
            a = 0;
            b = (ulong)s.Length;
            foreach (var c in s) a = (a << 8) | c;
        }
        var mixed = (a ^ (b * 0x9E3779B97F4A7C15UL) ^ (ulong)s.Length) * 0xBF58476D1CE4E5B9UL;
        return (uint)(mixed >> 33) ^ (uint)(mixed >> 50);
    }

    private static class Words
    {
        public static IEnumerable<string> Names =>
        [
            "xml", "xmlns", "stream", "open", "close", "features", "error", "text", "message", "presence", "iq",
            "to", "from", "id", "type", "lang", "version", "by", "stamp", "xmlns", "node", "ver", "hash", "jid", "name",
            "body", "subject", "thread", "show", "status", "priority", "query", "item", "group", "ask", "subscription",
            "auth", "authenticate", "challenge", "response", "success", "failure", "abort", "mechanism", "mechanisms",
            "initial-response", "user-agent", "software", "device", "bind", "bound", "resource", "session", "tag",
            "authentication", "inline", "fast", "token", "request-token", "count", "expiry", "invalidate",
            "authorization-identifier", "additional-data", "starttls", "proceed", "sasl-channel-binding", "channel-binding",
            "r", "a", "h", "enable", "enabled", "resume", "resumed", "failed", "previd", "location", "max",
            "ping", "received", "sent", "request", "forwarded", "delay", "result", "fin", "complete", "set", "first",
            "last", "after", "before", "index", "queryid", "stanza-id", "origin-id", "markable", "displayed",
            "acknowledged", "active", "composing", "paused", "inactive", "gone", "private", "store", "no-store",
            "no-copy", "no-permanent-store", "x", "field", "value", "var", "label", "option", "required", "title",
            "instructions", "form", "c", "identity", "feature", "category", "block", "unblock", "blocklist", "disable",
            "username", "password", "register", "remove", "history", "occupant-id", "actor", "reason", "affiliation",
            "role", "nick", "publish", "pubsub", "event", "items", "slot", "put", "get", "url", "header", "size",
            "content-type", "filename", "reference", "reply", "fallback", "reactions", "reaction", "replace", "retract",
        ];

        public static IEnumerable<string> Values =>
        [
            "chat", "groupchat", "normal", "headline", "error", "get", "set", "result", "unavailable", "subscribe",
            "subscribed", "unsubscribe", "unsubscribed", "probe", "true", "false", "1", "0", "1.0", "en", "submit",
            "form", "cancel", "hidden", "FORM_TYPE", "sha-1", "both", "none", "to", "from", "remove",
            "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS",
            "HT-SHA-256-NONE", "HT-SHA-256-ENDP", "HT-SHA-256-EXPR",
        ];
    }
}
