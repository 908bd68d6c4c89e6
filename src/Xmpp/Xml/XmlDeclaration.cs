using System.Text;
using System.Text.RegularExpressions;
using Indaba.Xmpp.Streams;

namespace Indaba.Xmpp.Xml;

/// <summary>The XML declaration (XML 1.0 section 2.8), which may stand before a stream header (RFC 6120 section 11.5).</summary>
internal static partial class XmlDeclaration
{
    /// <summary>Checks a declaration.</summary>
    /// <exception cref="StreamException">restricted-xml for another processing instruction, unsupported-encoding for another encoding than UTF-8 (RFC 6120 section 11.6), not-well-formed for any other fault.</exception>
    public static void Check(ReadOnlySpan<byte> token)
    {
        if (!token.StartsWith("<?xml"u8) || token.Length < 7 || !(XmlChars.Space.Contains(token[5]) || token[5] == '?'))
        {
            throw new StreamException(StreamCondition.RestrictedXml, "a processing instruction");
        }
        var match = Declaration().Match(Encoding.Latin1.GetString(token));
        if (!match.Success) throw new StreamException(StreamCondition.NotWellFormed, "a malformed XML declaration");
        var encoding = match.Groups["encoding"];
        if (encoding.Success && !encoding.Value.Equals("utf-8", StringComparison.OrdinalIgnoreCase))
        {
            throw new StreamException(StreamCondition.UnsupportedEncoding, "an encoding other than UTF-8");
        }
    }

    [GeneratedRegex("""
        ^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"(?<encoding>[A-Za-z][A-Za-z0-9._-]*)"|'(?<encoding>[A-Za-z][A-Za-z0-9._-]*)'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>\z
        """, RegexOptions.CultureInvariant)]
    private static partial Regex Declaration();
}
