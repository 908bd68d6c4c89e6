using System.Diagnostics.CodeAnalysis;

namespace Indaba.Xmpp;

/// <summary>
/// An XMPP address (RFC 7622): localpart@domainpart/resourcepart, prepared by PRECIS (UsernameCaseMapped for the
/// localpart, OpaqueString for the resourcepart, IDNA2008 for the domainpart). Two equal addresses are equal strings.
/// </summary>
public readonly struct Jid : IEquatable<Jid>
{
    private readonly string? _domain;

    private Jid(string? local, string domain, string? resource)
    {
        Local = local;
        _domain = domain;
        Resource = resource;
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
    public Jid Bare => new(Local, Domain, null);

    /// <summary>Parses and prepares an address; false when any part breaks RFC 7622 (each part at most 1,023 bytes of UTF-8).</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Jid jid) => throw new NotImplementedException();

    /// <summary>Parses an address.</summary>
    /// <exception cref="FormatException">It is not a valid address.</exception>
    public static Jid Parse(string text) => TryParse(text, out var jid) ? jid : throw new FormatException($"'{text}' is not an XMPP address");

    /// <summary>Makes an address of parts, preparing each.</summary>
    public static bool TryCreate(string? local, string domain, string? resource, out Jid jid) => throw new NotImplementedException();

    /// <summary>The same bare address with a resourcepart; false when the resourcepart is invalid.</summary>
    public bool TryWithResource(string resource, out Jid jid) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override string ToString() => throw new NotImplementedException();
    /// <inheritdoc/>
    public bool Equals(Jid other) => Local == other.Local && Domain == other.Domain && Resource == other.Resource;
    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Jid other && Equals(other);
    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Local, _domain, Resource);
    public static bool operator ==(Jid left, Jid right) => left.Equals(right);
    public static bool operator !=(Jid left, Jid right) => !left.Equals(right);
}
