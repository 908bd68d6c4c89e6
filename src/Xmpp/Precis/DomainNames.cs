using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Indaba.Xmpp.Precis;

/// <summary>Prepares domainparts (RFC 7622 section 3.2): host names of IDNA2008 with U-labels in lower case, IPv4 and bracketed IPv6 addresses.</summary>
public static class DomainNames
{
    private const int MaxLabel = 63; // octets (RFC 1034 section 3.1)
    private const int CacheSlots = 64;

    private static readonly SearchValues<char> LowerHost = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-.");
    private static readonly SearchValues<char> AddressChars = SearchValues.Create("0123456789abcdefABCDEF:.");
    private static readonly IdnMapping Idn = new() { AllowUnassigned = false, UseStd3AsciiRules = true };

    // Domains that were prepared lately, direct-mapped: a server sees few, and sees them in every stanza.
    private static readonly string?[] Cache = new string?[CacheSlots];

    /// <summary>Prepares a domainpart; false when it is none.</summary>
    public static bool TryPrepare(ReadOnlySpan<char> text, out string prepared)
    {
        prepared = "";
        if (text.EndsWith(".")) text = text[..^1]; // RFC 7622 section 3.2: a final dot is stripped
        if (text.IsEmpty) return false;
        ref var slot = ref Cache[(text.Length * 31 + text[0] * 7 + text[^1] + text[text.Length / 2] * 3) & (CacheSlots - 1)];
        var known = Volatile.Read(ref slot);
        if (known is not null && text.SequenceEqual(known))
        {
            prepared = known;
            return true;
        }
        if (text[0] == '[') return TryAddress(text, out prepared);
        if (Ascii.IsValid(text) ? !TryAscii(text, out prepared) : !TryInternational(text.ToString(), out prepared)) return false;
        if (text.SequenceEqual(prepared)) Volatile.Write(ref slot, prepared);
        return true;
    }

    private static bool TryAddress(ReadOnlySpan<char> text, out string prepared)
    {
        prepared = "";
        if (text.Length < 4 || text[^1] != ']' || text[1..^1].ContainsAnyExcept(AddressChars)) return false; // no zone, no prefix length
        if (!IPAddress.TryParse(text[1..^1], out var address) || address.AddressFamily != AddressFamily.InterNetworkV6) return false;
        prepared = $"[{address}]"; // in the one form of RFC 5952
        return true;
    }

    private static bool TryAscii(ReadOnlySpan<char> text, out string prepared)
    {
        prepared = text.ToString().ToLowerInvariant();
        if (prepared.AsSpan().ContainsAnyExcept(LowerHost) || !LabelsFit(prepared)) return false;
        return !HasALabel(prepared) || TryInternational(prepared, out prepared);
    }

    // A-labels become U-labels; what comes out must be its own result, so no two spellings of one host stand.
    private static bool TryInternational(string text, out string prepared)
    {
        prepared = "";
        try
        {
            var ascii = Idn.GetAscii(text);
            if (ascii.AsSpan().ContainsAnyExcept(LowerHost) || !LabelsFit(ascii)) return false;
            var unicode = Idn.GetUnicode(ascii).Normalize(NormalizationForm.FormC);
            if (Idn.GetAscii(unicode) != ascii || Idn.GetUnicode(ascii) != unicode) return false;
            foreach (var label in unicode.Split('.'))
            {
                if (!Ascii.IsValid(label) ? !Profiles.IsIdentifier(label) : IsALabel(label)) return false;
            }
            prepared = unicode;
            return true;
        }
        catch (ArgumentException)
        {
            return false; // what IdnMapping says of any fault
        }
    }

    // Letters, digits, hyphens; a hyphen neither first nor last; no empty label.
    private static bool LabelsFit(ReadOnlySpan<char> host)
    {
        foreach (var range in host.Split('.'))
        {
            var label = host[range];
            if (label.IsEmpty || label.Length > MaxLabel || label[0] == '-' || label[^1] == '-') return false;
        }
        return true;
    }

    private static bool HasALabel(string host) => IsALabel(host) || host.Contains(".xn--", StringComparison.Ordinal);

    private static bool IsALabel(string label) => label.StartsWith("xn--", StringComparison.Ordinal);
}
