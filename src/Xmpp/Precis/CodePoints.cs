using System.Globalization;
using System.Text;

namespace Indaba.Xmpp.Precis;

/// <summary>What a string class makes of a code point (RFC 8264 section 8).</summary>
internal enum Derived
{
    /// <summary>Allowed in both classes.</summary>
    Valid,
    /// <summary>Allowed in the FreeformClass, disallowed in the IdentifierClass (ID_DIS or FREE_PVAL).</summary>
    FreeformOnly,
    /// <summary>Allowed where a context rule says so (CONTEXTJ, CONTEXTO).</summary>
    Context,
    /// <summary>Disallowed or unassigned.</summary>
    Disallowed,
}

/// <summary>The derived property of code points and their context rules (RFC 8264 sections 8 and 9, RFC 5892 section 2.6 and appendix A).</summary>
internal static class CodePoints
{
    /// <summary>The derived property, in the order of tests that RFC 8264 section 8 gives.</summary>
    public static Derived Property(Rune rune)
    {
        var code = rune.Value;
        if (Exception(code) is { } exception) return exception;
        if (code is >= 0x21 and <= 0x7E) return Derived.Valid;
        var category = Rune.GetUnicodeCategory(rune);
        if (category == UnicodeCategory.OtherNotAssigned) return Derived.Disallowed; // unassigned, and noncharacters
        if (code is 0x200C or 0x200D) return Derived.Context;
        if (UnicodeRanges.Contain(UnicodeRanges.OldHangulJamo, code) || UnicodeRanges.Contain(UnicodeRanges.DefaultIgnorable, code)) return Derived.Disallowed;
        if (category == UnicodeCategory.Control) return Derived.Disallowed;
        if (HasCompatibilityForm(rune)) return Derived.FreeformOnly;
        return category switch
        {
            UnicodeCategory.LowercaseLetter or UnicodeCategory.UppercaseLetter or UnicodeCategory.OtherLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.DecimalDigitNumber
                or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark => Derived.Valid,
            UnicodeCategory.TitlecaseLetter or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber or UnicodeCategory.EnclosingMark
                or UnicodeCategory.SpaceSeparator
                or UnicodeCategory.MathSymbol or UnicodeCategory.CurrencySymbol or UnicodeCategory.ModifierSymbol or UnicodeCategory.OtherSymbol
                or UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation
                or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation
                or UnicodeCategory.OtherPunctuation => Derived.FreeformOnly,
            _ => Derived.Disallowed,
        };
    }

    // RFC 5892 section 2.6, which RFC 8264 section 9.6 takes over.
    private static Derived? Exception(int code) => code switch
    {
        0xDF or 0x3C2 or 0x6FD or 0x6FE or 0xF0B or 0x3007 => Derived.Valid,
        0xB7 or 0x375 or 0x5F3 or 0x5F4 or 0x30FB or (>= 0x660 and <= 0x669) or (>= 0x6F0 and <= 0x6F9) => Derived.Context,
        0x640 or 0x7FA or 0x302E or 0x302F or (>= 0x3031 and <= 0x3035) or 0x303B => Derived.Disallowed,
        _ => null,
    };

    // RFC 8264 section 9.17: the code point is not its own NFKC.
    private static bool HasCompatibilityForm(Rune rune)
    {
        Span<char> chars = stackalloc char[2];
        return !((ReadOnlySpan<char>)chars[..rune.EncodeToUtf16(chars)]).IsNormalized(NormalizationForm.FormKC);
    }

    /// <summary>True when the code point at a place may stand there (RFC 5892 appendix A).</summary>
    public static bool ContextAllows(ReadOnlySpan<Rune> text, int at) => text[at].Value switch
    {
        0x200C => AfterVirama(text, at) || BetweenJoining(text, at),
        0x200D => AfterVirama(text, at),
        0xB7 => at > 0 && text[at - 1].Value == 'l' && at + 1 < text.Length && text[at + 1].Value == 'l',
        0x375 => at + 1 < text.Length && UnicodeRanges.Contain(UnicodeRanges.Greek, text[at + 1].Value),
        0x5F3 or 0x5F4 => at > 0 && UnicodeRanges.Contain(UnicodeRanges.Hebrew, text[at - 1].Value),
        0x30FB => Any(text, static c => UnicodeRanges.Contain(UnicodeRanges.Japanese, c)),
        >= 0x660 and <= 0x669 => !Any(text, static c => c is >= 0x6F0 and <= 0x6F9),
        >= 0x6F0 and <= 0x6F9 => !Any(text, static c => c is >= 0x660 and <= 0x669),
        _ => false,
    };

    private static bool AfterVirama(ReadOnlySpan<Rune> text, int at) => at > 0 && UnicodeRanges.Contain(UnicodeRanges.Virama, text[at - 1].Value);

    private static bool BetweenJoining(ReadOnlySpan<Rune> text, int at)
    {
        var before = at - 1;
        while (before >= 0 && IsTransparent(text[before])) before--;
        var after = at + 1;
        while (after < text.Length && IsTransparent(text[after])) after++;
        if (before < 0 || after == text.Length) return false;
        var next = text[after].Value;
        return UnicodeRanges.Contain(UnicodeRanges.JoinsForward, text[before].Value)
            && (UnicodeRanges.Contain(UnicodeRanges.JoinsOnlyBackward, next)
                || (UnicodeRanges.Contain(UnicodeRanges.JoinsForward, next) && !UnicodeRanges.Contain(UnicodeRanges.JoinsOnlyForward, next)));
    }

    // Joining_Type=T: of what may stand in an identifier, the marks that take no space.
    private static bool IsTransparent(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark;

    private static bool Any(ReadOnlySpan<Rune> text, Predicate<int> match)
    {
        foreach (var rune in text)
        {
            if (match(rune.Value)) return true;
        }
        return false;
    }
}
