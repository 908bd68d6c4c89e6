using System.Buffers;
using System.Text;
using System.Text.Unicode;
using Indaba.Xmpp.Streams;

namespace Indaba.Xmpp.Xml;

/// <summary>Turns the bytes of text, CDATA sections and attribute values into strings (XML 1.0 sections 2.4, 2.7, 2.11, 3.3.3, 4.1).</summary>
internal static class CharacterData
{
    private enum Kind { Text, CData, Value }

    /// <summary>Text between tags: references resolved, line ends normalised.</summary>
    public static string Text(ReadOnlySpan<byte> utf8) =>
        utf8.ContainsAny(XmlChars.TextSpecials) ? Resolve(utf8, Kind.Text) : Plain(utf8);

    /// <summary>The inside of a CDATA section: line ends normalised, nothing else means anything.</summary>
    public static string CData(ReadOnlySpan<byte> utf8) =>
        utf8.ContainsAny(XmlChars.TextSpecials) ? Resolve(utf8, Kind.CData) : Plain(utf8);

    /// <summary>An attribute value without its quotes: references resolved, white space made spaces.</summary>
    public static string Value(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty) return "";
        if (utf8.ContainsAny(XmlChars.ValueSpecials)) return Resolve(utf8, Kind.Value);
        return utf8.Length <= 18 ? Interned(NameTable.Values, utf8) : Plain(utf8); // 18: the longest of its words
    }

    /// <summary>The value of a namespace declaration.</summary>
    public static string Namespace(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty) return "";
        return utf8.ContainsAny(XmlChars.ValueSpecials) ? Resolve(utf8, Kind.Value) : Interned(NameTable.Namespaces, utf8);
    }

    private static string Interned(NameTable table, ReadOnlySpan<byte> utf8)
    {
        var text = table.Get(utf8) ?? throw NotUtf8();
        RefuseNonCharacters(text, utf8.Length);
        return text;
    }

    private static string Plain(ReadOnlySpan<byte> utf8)
    {
        if (!Utf8.IsValid(utf8)) throw NotUtf8();
        var text = Encoding.UTF8.GetString(utf8);
        RefuseNonCharacters(text, utf8.Length);
        return text;
    }

    // Surrogates cannot come out of valid UTF-8, and controls were looked for before: two characters are left to refuse.
    private static void RefuseNonCharacters(ReadOnlySpan<char> text, int bytes)
    {
        if (text.Length != bytes && text.ContainsAnyInRange('\uFFFE', '\uFFFF')) throw Malformed("a character that XML does not allow");
    }

    private static string Resolve(ReadOnlySpan<byte> utf8, Kind kind)
    {
        var rented = ArrayPool<char>.Shared.Rent(utf8.Length);
        try
        {
            if (Utf8.ToUtf16(utf8, rented, out _, out var length, replaceInvalidSequences: false) != OperationStatus.Done) throw NotUtf8();
            RefuseNonCharacters(rented.AsSpan(0, length), utf8.Length);
            return new string(rented, 0, ResolveInPlace(rented.AsSpan(0, length), kind));
        }
        finally
        {
            ArrayPool<char>.Shared.Return(rented);
        }
    }

    // Every rule makes the text shorter or keeps its length, so it is rewritten where it stands. Returns the new length.
    private static int ResolveInPlace(Span<char> text, Kind kind)
    {
        var to = 0;
        var brackets = 0; // literal ']' just before, for the forbidden "]]>"
        for (var from = 0; from < text.Length; from++)
        {
            var c = text[from];
            var closing = brackets >= 2;
            brackets = c == ']' ? brackets + 1 : 0;
            switch (c)
            {
                case '&' when kind != Kind.CData:
                    from += Reference(text[from..], text[to..], out var written) - 1;
                    to += written;
                    continue;
                case '\r':
                    if (from + 1 < text.Length && text[from + 1] == '\n') from++;
                    c = kind == Kind.Value ? ' ' : '\n';
                    break;
                case '\t' or '\n':
                    if (kind == Kind.Value) c = ' ';
                    break;
                case '<' when kind != Kind.CData:
                    throw Malformed("'<' in an attribute value");
                case '>' when closing && kind == Kind.Text:
                    throw Malformed("']]>' in text");
                case < ' ':
                    throw Malformed("a control character");
            }
            text[to++] = c;
        }
        return to;
    }

    // A reference at the start of text; returns how long it is and writes what it stands for.
    private static int Reference(ReadOnlySpan<char> text, Span<char> output, out int written)
    {
        var end = text[..Math.Min(text.Length, 64)].IndexOf(';');
        if (end < 2) throw Malformed("a reference without an end");
        var name = text[1..end];
        if (name[0] == '#')
        {
            written = new Rune(CharacterReference(name[1..])).EncodeToUtf16(output);
            return end + 1;
        }
        output[0] = name switch
        {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            _ => throw (XmlChars.IsNCName(name) ? new StreamException(StreamCondition.RestrictedXml, "an entity reference") : Malformed("a malformed reference")),
        };
        written = 1;
        return end + 1;
    }

    private static int CharacterReference(ReadOnlySpan<char> digits)
    {
        var hex = digits.Length > 0 && digits[0] == 'x';
        if (hex) digits = digits[1..];
        // Not int.TryParse: that takes null characters behind the digits.
        var code = 0;
        foreach (var digit in digits)
        {
            if (!(hex ? char.IsAsciiHexDigit(digit) : char.IsAsciiDigit(digit))) throw Malformed("a malformed character reference");
            code = code * (hex ? 16 : 10) + (char.IsAsciiDigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
            if (code > 0x10FFFF) break;
        }
        if (!XmlChars.IsChar(code)) throw Malformed("a reference to no character");
        return code;
    }

    private static StreamException NotUtf8() => new(StreamCondition.UnsupportedEncoding, "the bytes are not UTF-8"); // RFC 6120 section 4.9.3.22

    private static StreamException Malformed(string what) => new(StreamCondition.NotWellFormed, what);
}
