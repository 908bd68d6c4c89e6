using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;

namespace Indaba.Xmpp.Sasl;

/// <summary>
/// A mechanism of the HT family, which XEP-0484 logs in with by a token: HT-SHA-256-NONE and its kin
/// (draft-schmaus-kitten-sasl-ht-09, which clients speak, and draft-ietf-kitten-sasl-ht-01, whose messages have room
/// for key/value pairs).
/// </summary>
/// <param name="Hash">SHA-256 or SHA-512.</param>
/// <param name="BindingType">The channel-binding type, or null for NONE.</param>
public sealed record HashedTokenMechanism(ScramHash Hash, string? BindingType)
{
    /// <summary>The mechanism's name.</summary>
    public string Name => $"HT-{Hash.Name()}-{Suffix}";

    private string Suffix => BindingType switch
    {
        null => "NONE",
        ChannelBindings.EndPointType => "ENDP",
        ChannelBindings.ExporterType => "EXPR",
        _ => throw new InvalidOperationException($"no HT mechanism binds by {BindingType}"),
    };

    /// <summary>The mechanisms that a connection with these bindings can offer, strongest first.</summary>
    public static IEnumerable<HashedTokenMechanism> Offered(ChannelBindings bindings) =>
        bindings.Types.Where(t => t != ChannelBindings.UniqueType).Append(null).Select(type => new HashedTokenMechanism(ScramHash.Sha256, type));

    /// <summary>Reads a mechanism's name; false when it is none known here.</summary>
    public static bool TryParse([NotNullWhen(true)] string? name, [NotNullWhen(true)] out HashedTokenMechanism? mechanism)
    {
        foreach (var hash in (ScramHash[])[ScramHash.Sha256, ScramHash.Sha512])
        {
            foreach (var type in (string?[])[null, ChannelBindings.EndPointType, ChannelBindings.ExporterType])
            {
                mechanism = new HashedTokenMechanism(hash, type);
                if (mechanism.Name == name) return true;
            }
        }
        mechanism = null;
        return false;
    }

    /// <summary>The client's message.</summary>
    /// <exception cref="SaslException">invalid-mechanism: the connection lacks the binding.</exception>
    public byte[] Initiate(string username, string token, ChannelBindings bindings) =>
        [.. Encoding.UTF8.GetBytes(username), 0, .. Sign(token, "Initiator"u8, bindings, [])];

    /// <summary>True when the server's message proves that it knows the token, for the client.</summary>
    /// <exception cref="SaslException">invalid-mechanism: the connection lacks the binding.</exception>
    public bool IsResponse(ReadOnlySpan<byte> message, string token, ChannelBindings bindings) =>
        CryptographicOperations.FixedTimeEquals(message, Sign(token, "Responder"u8, bindings, []));

    internal byte[] Sign(string token, ReadOnlySpan<byte> role, ChannelBindings bindings, ReadOnlySpan<byte> pairs)
    {
        var binding = BindingType is null ? [] : bindings.Get(BindingType) ?? throw new SaslException(SaslCondition.InvalidMechanism);
        return Hash.Hmac(Encoding.UTF8.GetBytes(token), [.. role, .. binding, .. pairs]);
    }
}

/// <summary>The server's side of one login by an HT mechanism.</summary>
public sealed class HashedToken
{
    private const int MaxMessage = 4096; // bytes; an authcid of 255 must be taken

    private readonly HashedTokenMechanism _mechanism;
    private readonly ChannelBindings _bindings;
    private readonly byte[] _proof;
    private readonly byte[]? _pairs; // null in the form without them

    /// <summary>Parses a client's message.</summary>
    /// <exception cref="SaslException">malformed-request, or invalid-mechanism when the connection lacks the binding.</exception>
    public HashedToken(HashedTokenMechanism mechanism, ReadOnlySpan<byte> message, ChannelBindings bindings)
    {
        if (mechanism.BindingType is { } type && bindings.Get(type) is null) throw new SaslException(SaslCondition.InvalidMechanism);
        var size = mechanism.Hash.Size();
        var end = message.IndexOf((byte)0);
        if (end < 1 || message.Length > MaxMessage || !Utf8.IsValid(message[..end])) throw new SaslException(SaslCondition.MalformedRequest);
        var rest = message[(end + 1)..];
        // Either the proof alone, or pairs, a null octet and the proof: its fixed length tells which.
        if (rest.Length > size && rest.IndexOf((byte)0) == rest.Length - size - 1) _pairs = rest[..^(size + 1)].ToArray();
        else if (rest.Length != size) throw new SaslException(SaslCondition.MalformedRequest);
        (_mechanism, _bindings) = (mechanism, bindings);
        Username = Encoding.UTF8.GetString(message[..end]);
        _proof = rest[^size..].ToArray();
    }

    /// <summary>Who logs in, not prepared.</summary>
    public string Username { get; }

    /// <summary>
    /// Tells in constant time whether the client has this token. The caller checks that the token is not expired, was
    /// issued for this mechanism and, in TLS early data, that its count has risen (XEP-0484).
    /// </summary>
    /// <param name="token">A token issued to this client; for an unknown user any random one, so that time tells nothing.</param>
    /// <param name="response">The additional data of the success: the server's own proof.</param>
    public bool TryVerify(string token, out byte[] response)
    {
        var known = CryptographicOperations.FixedTimeEquals(_proof, _mechanism.Sign(token, "Initiator"u8, _bindings, _pairs));
        var signature = _mechanism.Sign(token, "Responder"u8, _bindings, []);
        response = !known ? [] : _pairs is null ? signature : [0, 0, .. signature];
        return known;
    }
}
