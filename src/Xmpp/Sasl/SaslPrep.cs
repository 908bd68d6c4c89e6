using System.Globalization;
using System.Text;
using Indaba.Xmpp.Precis;

namespace Indaba.Xmpp.Sasl;

/// <summary>
/// SASLprep (RFC 4013), which RFC 5802 and RFC 7677 prepare passwords with and clients therefore use; OpaqueString
/// (RFC 8265) differs in compatibility characters and would lock those clients out. Code points that Unicode 3.2 did
/// not know are let through, as in a query: a password may hold an emoji.
/// </summary>
public static class SaslPrep
{
    /// <summary>Prepares a password; false when it is empty or holds a forbidden character.</summary>
    public static bool TryPrepare(string text, out string prepared)
    {
        prepared = text;
        if (text.Length == 0) return false;
        if (Ascii.IsValid(text)) return !text.AsSpan().ContainsAnyExceptInRange(' ', '~');
        var mapped = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune == Rune.ReplacementChar || rune.Value is 0xFFFE or 0xFFFF) return false; // stands for lone surrogates too; forbidden (C.6, C.4)
            if (IsMappedToNothing(rune.Value)) continue;
            mapped.Append(Rune.GetUnicodeCategory(rune) == UnicodeCategory.SpaceSeparator ? " " : rune.ToString());
        }
        prepared = mapped.ToString().Normalize(NormalizationForm.FormKC);
        var runes = prepared.EnumerateRunes().ToArray();
        return runes.Length > 0 && !runes.Any(static r => IsForbidden(r)) && IsOneDirection(runes);
    }

    // RFC 3454 table B.1.
    private static bool IsMappedToNothing(int code) =>
        code is 0xAD or 0x34F or 0x1806 or (>= 0x180B and <= 0x180D) or (>= 0x200B and <= 0x200D) or 0x2060 or (>= 0xFE00 and <= 0xFE0F) or 0xFEFF;

    // RFC 3454 tables C.2.1 to C.9, as far as category does not tell.
    private static bool IsForbidden(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.PrivateUse
        || (rune.Value & 0xFFFE) == 0xFFFE
        || rune.Value is 0x340 or 0x341 or 0x6DD or 0x70F or 0x180E or 0x200E or 0x200F
            or (>= 0x2028 and <= 0x202E) or (>= 0x2060 and <= 0x2063) or (>= 0x206A and <= 0x206F)
            or (>= 0x2FF0 and <= 0x2FFB) or (>= 0xFDD0 and <= 0xFDEF) or (>= 0xFFF9 and <= 0xFFFD)
            or (>= 0x1D173 and <= 0x1D17A) or 0xE0001 or (>= 0xE0020 and <= 0xE007F);

    // RFC 3454 section 6.
    private static bool IsOneDirection(ReadOnlySpan<Rune> text)
    {
        var right = false;
        foreach (var rune in text) right |= IsRight(rune);
        if (!right) return true;
        foreach (var rune in text)
        {
            if (Rune.IsLetter(rune) && Bidi.Of(rune) == Bidi.Direction.LeftToRight) return false;
        }
        return IsRight(text[0]) && IsRight(text[^1]);
    }

    private static bool IsRight(Rune rune) => Rune.IsLetter(rune) && Bidi.Of(rune) == Bidi.Direction.RightToLeft;
}
