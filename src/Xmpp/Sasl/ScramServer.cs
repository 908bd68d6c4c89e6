using System.Security.Cryptography;
using System.Text;

namespace Indaba.Xmpp.Sasl;

/// <summary>
/// The server's side of one SCRAM exchange (RFC 5802): made of the client-first message, then <see cref="Challenge"/>
/// with the keys that the caller looked up, then <see cref="Finish"/>.
/// </summary>
public sealed class ScramServer
{
    private readonly ScramHash _hash;
    private readonly string _clientNonce;
    private readonly string _clientFirstBare;
    private readonly byte[] _binding; // what c= must hold: the gs2 header and the channel's bytes
    private ScramKeys? _keys;
    private string _nonce = "";
    private string _serverFirst = "";

    /// <summary>Parses a client-first message.</summary>
    /// <param name="hash">The hash of the mechanism chosen.</param>
    /// <param name="plus">True when the mechanism chosen is the -PLUS one.</param>
    /// <param name="clientFirst">The message.</param>
    /// <param name="bindings">The channel bindings of the connection.</param>
    /// <param name="plusOffered">True when a -PLUS mechanism was offered to the client: then a client that says it saw none was lied to.</param>
    /// <exception cref="SaslException">malformed-request, or not-authorized for a downgrade or a binding that the connection lacks.</exception>
    public ScramServer(ScramHash hash, bool plus, ReadOnlySpan<byte> clientFirst, ChannelBindings bindings, bool plusOffered)
    {
        _hash = hash;
        var text = ScramMessage.Decode(clientFirst);
        var first = text.IndexOf(',');
        var second = first < 0 ? -1 : text.IndexOf(',', first + 1);
        if (second < 0) throw ScramMessage.Malformed();
        var header = text[..(second + 1)];
        _binding = [.. Encoding.UTF8.GetBytes(header), .. Bound(text[..first], plus, bindings, plusOffered)];
        AuthorizationId = second == first + 1 ? null : ScramMessage.Name(ScramMessage.Value(text[(first + 1)..second], 'a'));

        _clientFirstBare = text[(second + 1)..];
        var parts = _clientFirstBare.Split(',');
        if (parts.Length < 2) throw ScramMessage.Malformed(); // "m=" comes first, so an extension we must know fails here too
        Username = ScramMessage.Name(ScramMessage.Value(parts[0], 'n'));
        _clientNonce = ScramMessage.Nonce(ScramMessage.Value(parts[1], 'r'));
        ScramMessage.CheckExtensions(parts.AsSpan(2));
    }

    /// <summary>Who logs in, not prepared.</summary>
    public string Username { get; }

    /// <summary>Whom to act as, not prepared; null when not given. The caller refuses all but the user (invalid-authzid).</summary>
    public string? AuthorizationId { get; }

    /// <summary>The server-first message.</summary>
    /// <param name="keys">The user's keys; <see cref="ScramKeys.Fake"/> for a user that does not exist.</param>
    /// <param name="downgradeHash">The hash of <see cref="DowngradeProtection"/>, or null to leave it out.</param>
    public byte[] Challenge(ScramKeys keys, string? downgradeHash = null) =>
        ChallengeWith(keys, downgradeHash, Convert.ToBase64String(RandomNumberGenerator.GetBytes(18)));

    internal byte[] ChallengeWith(ScramKeys keys, string? downgradeHash, string serverNonce)
    {
        if (keys.Hash != _hash) throw new ArgumentException("keys of another hash", nameof(keys));
        _keys = keys;
        _nonce = _clientNonce + serverNonce;
        _serverFirst = $"r={_nonce},s={Convert.ToBase64String(keys.Salt)},i={keys.Iterations}{(downgradeHash is null ? "" : ",h=")}{downgradeHash}";
        return Encoding.UTF8.GetBytes(_serverFirst);
    }

    /// <summary>Checks the client-final message and gives the server-final message, the additional data of the success.</summary>
    /// <exception cref="SaslException">malformed-request; not-authorized for a wrong password, nonce or channel.</exception>
    public byte[] Finish(ReadOnlySpan<byte> clientFinal)
    {
        var keys = _keys ?? throw new InvalidOperationException("no challenge was sent");
        _keys = null; // one try each
        var text = ScramMessage.Decode(clientFinal);
        var proofAt = text.LastIndexOf(",p=", StringComparison.Ordinal);
        if (proofAt < 0) throw ScramMessage.Malformed();
        var parts = text[..proofAt].Split(',');
        if (parts.Length < 2) throw ScramMessage.Malformed();
        var binding = ScramMessage.Base64(ScramMessage.Value(parts[0], 'c'));
        var nonce = ScramMessage.Value(parts[1], 'r');
        ScramMessage.CheckExtensions(parts.AsSpan(2));
        var proof = ScramMessage.Base64(text[(proofAt + 3)..]);
        if (proof.Length != _hash.Size()) throw ScramMessage.Malformed();

        var signed = Encoding.UTF8.GetBytes($"{_clientFirstBare},{_serverFirst},{text[..proofAt]}");
        var clientKey = ScramMessage.Xor(proof, _hash.Hmac(keys.StoredKey, signed));
        // All three are looked at, whichever fails: time does not tell which.
        var valid = CryptographicOperations.FixedTimeEquals(_hash.Digest(clientKey), keys.StoredKey)
            & CryptographicOperations.FixedTimeEquals(binding, _binding)
            & CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(nonce), Encoding.UTF8.GetBytes(_nonce));
        if (!valid) throw new SaslException(SaslCondition.NotAuthorized);
        return Encoding.UTF8.GetBytes("v=" + Convert.ToBase64String(_hash.Hmac(keys.ServerKey, signed)));
    }

    // The channel's bytes that the gs2 flag asks for (RFC 5802 section 6).
    private static byte[] Bound(string flag, bool plus, ChannelBindings bindings, bool plusOffered)
    {
        switch (flag)
        {
            case "n" when !plus:
                return [];
            case "y" when !plus:
                if (plusOffered) throw new SaslException(SaslCondition.NotAuthorized, "The server does support channel binding.");
                return [];
            case ['p', '=', .. var type] when plus:
                return bindings.Get(type) ?? throw new SaslException(SaslCondition.NotAuthorized, "This connection has no such channel binding.");
            default:
                throw ScramMessage.Malformed();
        }
    }
}
