using System.Buffers;
using System.Globalization;
using System.Text;

namespace Indaba.Xmpp.Precis;

/// <summary>
/// The PRECIS profiles that addresses are prepared with (RFC 8265). Each result is a fixed point: preparing it again
/// gives the same string, or else it would have been refused (RFC 8264 section 7).
/// </summary>
public static class Profiles
{
    private static readonly SearchValues<char> LowerAscii = SearchValues.Create("!\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");
    private static readonly SearchValues<char> AnyAscii = SearchValues.Create(" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");

    /// <summary>UsernameCaseMapped (RFC 8265 section 3.3): width and case mapped, NFC, the Bidi Rule. False when the text is refused or empty.</summary>
    public static bool TryUsername(string text, out string prepared)
    {
        prepared = text;
        if (text.Length == 0) return false;
        if (!text.AsSpan().ContainsAnyExcept(LowerAscii)) return true;
        if (Ascii.IsValid(text))
        {
            prepared = text.ToLowerInvariant();
            return !prepared.AsSpan().ContainsAnyExcept(LowerAscii); // no space, no control
        }
        if (!TryMapUsername(text, out prepared)) return false;
        return TryMapUsername(prepared, out var again) && again == prepared && IsAllowed(prepared, freeform: false);
    }

    /// <summary>OpaqueString (RFC 8265 section 4.2): other spaces made U+0020, NFC. False when the text is refused or empty.</summary>
    public static bool TryOpaque(string text, out string prepared)
    {
        prepared = text;
        if (text.Length == 0) return false;
        if (!text.AsSpan().ContainsAnyExcept(AnyAscii)) return true;
        if (Ascii.IsValid(text) || !IsWellFormed(text)) return false; // controls, lone surrogates
        prepared = string.Concat(text.Select(static c => char.GetUnicodeCategory(c) == UnicodeCategory.SpaceSeparator ? ' ' : c)).Normalize(NormalizationForm.FormC);
        return IsAllowed(prepared, freeform: true);
    }

    private static bool TryMapUsername(string text, out string mapped)
    {
        mapped = text;
        if (!IsWellFormed(text)) return false;
        var builder = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is 0x3000 or (>= 0xFF01 and <= 0xFFEE)) builder.Append(rune.ToString().Normalize(NormalizationForm.FormKC)); // full and half width
            else builder.Append(rune.ToString());
        }
        var wide = builder.ToString();
        builder.Clear();
        foreach (var rune in wide.EnumerateRunes())
        {
            if (rune.Value == 0x130) builder.Append("i\u0307"); // the one letter whose lower case is two (SpecialCasing.txt)
            else builder.Append(Rune.ToLowerInvariant(rune).ToString());
        }
        mapped = builder.ToString().Normalize(NormalizationForm.FormC);
        return mapped.Length > 0;
    }

    // The base class and, for identifiers, the Bidi Rule.
    private static bool IsAllowed(string text, bool freeform)
    {
        var runes = text.EnumerateRunes().ToArray();
        for (var i = 0; i < runes.Length; i++)
        {
            var allowed = CodePoints.Property(runes[i]) switch
            {
                Derived.Valid => true,
                Derived.FreeformOnly => freeform,
                Derived.Context => CodePoints.ContextAllows(runes, i),
                _ => false,
            };
            if (!allowed) return false;
        }
        return freeform || Bidi.Allows(runes);
    }

    /// <summary>True when every code point of a domain label beyond ASCII may stand in an identifier.</summary>
    internal static bool IsIdentifier(string text) => IsWellFormed(text) && IsAllowed(text, freeform: false);

    // Normalize throws on lone surrogates and U+FFFE, and they are nobody's characters.
    private static bool IsWellFormed(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is '\uFFFE' or '\uFFFF') return false;
            if (!char.IsSurrogate(text[i])) continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1])) return false;
            i++;
        }
        return true;
    }
}
