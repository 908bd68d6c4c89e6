using System.Buffers;

namespace Indaba.Xmpp.Xml;

/// <summary>The character classes of XML 1.0 (fifth edition) that reader and writer share.</summary>
internal static class XmlChars
{
    private const string Controls = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0B\x0C\x0E\x0F\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1A\x1B\x1C\x1D\x1E\x1F";

    /// <summary>White space (section 2.3).</summary>
    public static readonly SearchValues<byte> Space = SearchValues.Create(" \t\r\n"u8);

    /// <summary>What ends a name in a tag.</summary>
    public static readonly SearchValues<byte> NameEnd = SearchValues.Create(" \t\r\n=/'\"<>"u8);

    /// <summary>Bytes of character data that need more than decoding: references, line ends, "]]&gt;", forbidden controls.</summary>
    public static readonly SearchValues<byte> TextSpecials = SearchValues.Create([.. "&<>\r"u8, .. Ascii(Controls)]);

    /// <summary>Bytes of an attribute value that need more than decoding: references, white space to normalise, forbidden controls.</summary>
    public static readonly SearchValues<byte> ValueSpecials = SearchValues.Create([.. "&<\t\r\n"u8, .. Ascii(Controls)]);

    /// <summary>What the writer escapes or replaces in text; U+FFFE and U+FFFF are looked for apart.</summary>
    public static readonly SearchValues<char> TextEscapes = SearchValues.Create("&<>\r" + Controls);

    /// <summary>What the writer escapes or replaces in an attribute value.</summary>
    public static readonly SearchValues<char> ValueEscapes = SearchValues.Create("&<>\"'\t\r\n" + Controls);

    private static readonly SearchValues<char> AsciiName = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");

    /// <summary>True for a character that a document may hold (section 2.2, Char).</summary>
    public static bool IsChar(int c) => c >= 0x20 ? c is < 0xD800 or (> 0xDFFF and not (0xFFFE or 0xFFFF) and <= 0x10FFFF) : c is '\t' or '\n' or '\r';

    /// <summary>True for an NCName (Namespaces in XML, section 3): a name without a colon.</summary>
    public static bool IsNCName(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty) return false;
        if (!name.ContainsAnyExcept(AsciiName)) return !(char.IsAsciiDigit(name[0]) || name[0] is '-' or '.');
        for (var i = 0; i < name.Length;)
        {
            int c = name[i];
            var width = 1;
            if (char.IsHighSurrogate(name[i]) && i + 1 < name.Length && char.IsLowSurrogate(name[i + 1]))
            {
                c = char.ConvertToUtf32(name[i], name[i + 1]);
                width = 2;
            }
            if (!(i == 0 ? IsNameStart(c) : IsNamePart(c))) return false;
            i += width;
        }
        return true;
    }

    // NameStartChar without the colon (section 2.3).
    private static bool IsNameStart(int c) => c switch
    {
        >= 'A' and <= 'Z' or '_' or >= 'a' and <= 'z' => true,
        >= 0xC0 and <= 0xD6 or >= 0xD8 and <= 0xF6 or >= 0xF8 and <= 0x2FF => true,
        >= 0x370 and <= 0x37D or >= 0x37F and <= 0x1FFF or >= 0x200C and <= 0x200D => true,
        >= 0x2070 and <= 0x218F or >= 0x2C00 and <= 0x2FEF or >= 0x3001 and <= 0xD7FF => true,
        >= 0xF900 and <= 0xFDCF or >= 0xFDF0 and <= 0xFFFD or >= 0x10000 and <= 0xEFFFF => true,
        _ => false,
    };

    private static bool IsNamePart(int c) => IsNameStart(c) || c switch
    {
        '-' or '.' or >= '0' and <= '9' or 0xB7 or >= 0x300 and <= 0x36F or >= 0x203F and <= 0x2040 => true,
        _ => false,
    };

    private static byte[] Ascii(string text) => System.Text.Encoding.ASCII.GetBytes(text);
}
