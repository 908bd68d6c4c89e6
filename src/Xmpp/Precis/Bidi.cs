using System.Globalization;
using System.Text;

namespace Indaba.Xmpp.Precis;

/// <summary>The Bidi Rule (RFC 5893 section 2) over code points that an identifier may hold.</summary>
internal static class Bidi
{
    /// <summary>Bidirectional classes, as far as the rule tells them apart: R and AL are one, all that both directions allow are one.</summary>
    public enum Direction { LeftToRight, RightToLeft, EuropeanNumber, ArabicNumber, NonSpacing, Neutral }

    /// <summary>True when the rule holds, or does not apply because nothing is written from right to left.</summary>
    public static bool Allows(ReadOnlySpan<Rune> text)
    {
        var any = false;
        foreach (var rune in text) any |= Of(rune) is Direction.RightToLeft or Direction.ArabicNumber;
        if (!any) return true;

        var first = Of(text[0]);
        if (first is not (Direction.RightToLeft or Direction.LeftToRight)) return false; // condition 1
        bool european = false, arabic = false;
        var last = Direction.NonSpacing;
        foreach (var rune in text)
        {
            var direction = Of(rune);
            if (first == Direction.RightToLeft ? direction == Direction.LeftToRight : direction is Direction.RightToLeft or Direction.ArabicNumber) return false; // 2, 5
            european |= direction == Direction.EuropeanNumber;
            arabic |= direction == Direction.ArabicNumber;
            if (direction != Direction.NonSpacing) last = direction;
        }
        if (european && arabic) return false; // 4
        return first == Direction.RightToLeft
            ? last is Direction.RightToLeft or Direction.EuropeanNumber or Direction.ArabicNumber // 3
            : last is Direction.LeftToRight or Direction.EuropeanNumber; // 6
    }

    /// <summary>The direction of a code point.</summary>
    public static Direction Of(Rune rune)
    {
        var code = rune.Value;
        switch (code)
        {
            case >= '0' and <= '9' or (>= 0x6F0 and <= 0x6F9) or (>= 0x1FBF0 and <= 0x1FBF9):
                return Direction.EuropeanNumber;
            case < 0x80:
                return char.IsAsciiLetter((char)code) ? Direction.LeftToRight : Direction.Neutral;
            case (>= 0x660 and <= 0x669) or 0x66B or 0x66C or (>= 0x10D30 and <= 0x10D39):
                return Direction.ArabicNumber;
            case 0xB7 or 0x2B9 or 0x2BA or (>= 0x2C6 and <= 0x2CF) or 0x2EC or 0x375 or 0x200C or 0x200D or 0x2E2F or 0x30FB or 0xA67F or (>= 0xA717 and <= 0xA71F) or 0xA788:
                return Direction.Neutral; // letters and marks that take the direction around them
        }
        if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark) return Direction.NonSpacing;
        return code is (>= 0x590 and <= 0x8FF) or (>= 0xFB1D and <= 0xFDFF) or (>= 0xFE70 and <= 0xFEFF) or (>= 0x10800 and <= 0x10FFF) or (>= 0x1E800 and <= 0x1EFFF)
            ? Direction.RightToLeft
            : Direction.LeftToRight;
    }
}
