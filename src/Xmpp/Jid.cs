using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Indaba.Xmpp.Precis;

namespace Indaba.Xmpp;

/// <summary>
/// An XMPP address (RFC 7622): localpart@domainpart/resourcepart, prepared by PRECIS (UsernameCaseMapped for the
/// localpart, OpaqueString for the resourcepart, IDNA2008 for the domainpart). Two equal addresses are equal strings.
/// </summary>
public readonly struct Jid : IEquatable<Jid>
{
    private const int MaxPart = 1023; // bytes of UTF-8 (RFC 7622 section 3.1)
    private const int MaxText = 4 * MaxPart; // characters worth looking at: preparing shortens, but not three full parts to less than that

    // RFC 7622 section 3.3.1: what UsernameCaseMapped allows and a localpart does not.
    private static readonly SearchValues<char> NotInLocal = SearchValues.Create("\"&'/:<>@");

    private readonly string? _domain;
    private readonly string? _text; // the whole address, when it was at hand

    private Jid(string? local, string domain, string? resource, string? text)
    {
        Local = local;
        _domain = domain;
        Resource = resource;
        _text = text;
    }

    /// <summary>The localpart, or null.</summary>
    public string? Local { get; }
    /// <summary>The domainpart; empty only for <c>default</c>.</summary>
    public string Domain => _domain ?? "";
    /// <summary>The resourcepart, or null.</summary>
    public string? Resource { get; }
    /// <summary>True for <c>default(Jid)</c>: no address.</summary>
    public bool IsEmpty => _domain is null;
    /// <summary>True when there is no resourcepart.</summary>
    public bool IsBare => Resource is null;
    /// <summary>True when there is a resourcepart.</summary>
    public bool IsFull => Resource is not null;
    /// <summary>The address without its resourcepart.</summary>
    public Jid Bare => Resource is null ? this : new(Local, Domain, null, Local is null ? _domain : null);

    /// <summary>The same address for keeping: without its text, and with <paramref name="domain"/> in place of an equal domainpart, so that many addresses share one string.</summary>
    public Jid Compact(string domain) => _domain is null ? this : new(Local, _domain == domain ? domain : _domain, Resource, null);

    /// <summary>Parses and prepares an address; false when any part breaks RFC 7622 (each part at most 1,023 bytes of UTF-8).</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Jid jid)
    {
        jid = default;
        if (string.IsNullOrEmpty(text) || text.Length > MaxText) return false;
        var slash = text.IndexOf('/');
        var bare = slash < 0 ? text.AsSpan() : text.AsSpan(0, slash);
        var at = bare.IndexOf('@');
        if (!TryCreate(at < 0 ? null : text[..at], bare[(at + 1)..], slash < 0 ? null : text[(slash + 1)..], out jid)) return false;
        if (jid.IsSpelled(text)) jid = new Jid(jid.Local, jid.Domain, jid.Resource, text);
        return true;
    }

    /// <summary>Parses an address.</summary>
    /// <exception cref="FormatException">It is not a valid address.</exception>
    public static Jid Parse(string text) => TryParse(text, out var jid) ? jid : throw new FormatException($"'{text}' is not an XMPP address");

    /// <summary>Makes an address of parts, preparing each; a null part is left out, an empty one is an error.</summary>
    public static bool TryCreate(string? local, string domain, string? resource, out Jid jid) => TryCreate(local, domain.AsSpan(), resource, out jid);

    /// <summary>The same bare address with a resourcepart; false when the resourcepart is invalid.</summary>
    public bool TryWithResource(string resource, out Jid jid)
    {
        jid = default;
        if (IsEmpty || !TryResource(resource, out var prepared)) return false;
        jid = new Jid(Local, Domain, prepared, null);
        return true;
    }

    private static bool TryCreate(string? local, ReadOnlySpan<char> domain, string? resource, out Jid jid)
    {
        jid = default;
        if (domain.Length > MaxText || !DomainNames.TryPrepare(domain, out var host) || !Fits(host)) return false;
        if (local is not null && !TryLocal(local, out local)) return false;
        if (resource is not null && !TryResource(resource, out resource)) return false;
        jid = new Jid(local, host, resource, local is null && resource is null ? host : null);
        return true;
    }

    private static bool TryLocal(string text, out string local)
    {
        local = text;
        return text.Length <= MaxText && Profiles.TryUsername(text, out local) && !local.AsSpan().ContainsAny(NotInLocal) && Fits(local);
    }

    private static bool TryResource(string text, out string resource)
    {
        resource = text;
        return text.Length <= MaxText && Profiles.TryOpaque(text, out resource) && Fits(resource);
    }

    private static bool Fits(string part) => part.Length <= MaxPart / 3 || Encoding.UTF8.GetByteCount(part) <= MaxPart;

    // Whether a text is this address in its prepared spelling; saves joining the parts again.
    private bool IsSpelled(ReadOnlySpan<char> text)
    {
        if (Local is not null)
        {
            if (!text.StartsWith(Local) || text.Length == Local.Length || text[Local.Length] != '@') return false;
            text = text[(Local.Length + 1)..];
        }
        if (!text.StartsWith(Domain)) return false;
        text = text[Domain.Length..];
        return Resource is null ? text.IsEmpty : text.Length == Resource.Length + 1 && text[0] == '/' && text[1..].SequenceEqual(Resource);
    }

    /// <summary>The address as text; empty for <c>default</c>.</summary>
    public override string ToString()
    {
        if (_text is not null) return _text;
        if (_domain is null) return "";
        if (Local is null) return Resource is null ? _domain : $"{_domain}/{Resource}";
        return Resource is null ? $"{Local}@{_domain}" : $"{Local}@{_domain}/{Resource}";
    }

    /// <inheritdoc/>
    public bool Equals(Jid other) => Local == other.Local && _domain == other._domain && Resource == other.Resource;
    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Jid other && Equals(other);
    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Local, _domain, Resource);
    public static bool operator ==(Jid left, Jid right) => left.Equals(right);
    public static bool operator !=(Jid left, Jid right) => !left.Equals(right);
}
