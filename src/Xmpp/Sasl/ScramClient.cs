using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Indaba.Xmpp.Sasl;

/// <summary>The client's side of one SCRAM exchange (RFC 5802), for tests and the load generator.</summary>
public sealed class ScramClient
{
    private const int MaxIterations = 10_000_000; // a server that asks for more wants our time

    private readonly ScramHash _hash;
    private readonly string _password;
    private readonly string _header;
    private readonly byte[] _channel;
    private readonly string _nonce;
    private readonly string _firstBare;
    private byte[] _serverSignature = [];

    /// <summary>Starts an exchange.</summary>
    /// <param name="hash">The mechanism's hash.</param>
    /// <param name="username">The user.</param>
    /// <param name="password">The password.</param>
    /// <param name="binding">The type and bytes of the channel binding for a -PLUS mechanism; null for the others.</param>
    /// <param name="sawNoPlus">True for the flag "y": this client could bind but was offered no -PLUS.</param>
    /// <param name="authorizationId">Whom to act as, or null.</param>
    public ScramClient(ScramHash hash, string username, string password, (string Type, byte[] Data)? binding = null, bool sawNoPlus = false, string? authorizationId = null)
        : this(hash, username, password, binding, sawNoPlus, authorizationId, Convert.ToBase64String(RandomNumberGenerator.GetBytes(18)))
    {
    }

    internal ScramClient(ScramHash hash, string username, string password, (string Type, byte[] Data)? binding, bool sawNoPlus, string? authorizationId, string nonce)
    {
        _hash = hash;
        _password = SaslPrep.TryPrepare(password, out var prepared) ? prepared : password;
        var flag = binding is { } b ? "p=" + b.Type : sawNoPlus ? "y" : "n";
        _header = $"{flag},{(authorizationId is null ? "" : "a=" + ScramMessage.Escape(authorizationId))},";
        _channel = binding?.Data ?? [];
        _nonce = nonce;
        _firstBare = $"n={ScramMessage.Escape(username)},r={nonce}";
    }

    /// <summary>The salted password. Set before <see cref="Respond"/>, it saves the iterations to someone who logs in often with the same salt.</summary>
    public byte[]? SaltedPassword { get; set; }

    /// <summary>The hash that the server's challenge had for XEP-0474, or null.</summary>
    public string? DowngradeHash { get; private set; }

    /// <summary>The client-first message.</summary>
    public byte[] First() => Encoding.UTF8.GetBytes(_header + _firstBare);

    /// <summary>The client-final message to a server-first message.</summary>
    /// <exception cref="SaslException">malformed-request: the server's message breaks the rules.</exception>
    public byte[] Respond(ReadOnlySpan<byte> serverFirst)
    {
        var challenge = ScramMessage.Decode(serverFirst);
        var parts = challenge.Split(',');
        if (parts.Length < 3) throw ScramMessage.Malformed();
        var nonce = ScramMessage.Nonce(ScramMessage.Value(parts[0], 'r'));
        if (nonce.Length == _nonce.Length || !nonce.StartsWith(_nonce, StringComparison.Ordinal)) throw ScramMessage.Malformed();
        var salt = ScramMessage.Base64(ScramMessage.Value(parts[1], 's'));
        if (!int.TryParse(ScramMessage.Value(parts[2], 'i'), NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations is < 1 or > MaxIterations) throw ScramMessage.Malformed();
        ScramMessage.CheckExtensions(parts.AsSpan(3));
        DowngradeHash = parts.Skip(3).FirstOrDefault(p => p.StartsWith("h=", StringComparison.Ordinal))?[2..];

        SaltedPassword ??= _hash.SaltedPassword(_password, salt, iterations);
        var binding = Convert.ToBase64String([.. Encoding.UTF8.GetBytes(_header), .. _channel]);
        var final = $"c={binding},r={nonce}";
        var signed = Encoding.UTF8.GetBytes($"{_firstBare},{challenge},{final}");
        var clientKey = _hash.Hmac(SaltedPassword, "Client Key"u8);
        var proof = ScramMessage.Xor(clientKey, _hash.Hmac(_hash.Digest(clientKey), signed));
        _serverSignature = _hash.Hmac(_hash.Hmac(SaltedPassword, "Server Key"u8), signed);
        return Encoding.UTF8.GetBytes($"{final},p={Convert.ToBase64String(proof)}");
    }

    /// <summary>True when the server-final message proves that the server knows the keys.</summary>
    public bool Verify(ReadOnlySpan<byte> serverFinal)
    {
        var parts = ScramMessage.Decode(serverFinal).Split(',');
        return _serverSignature.Length > 0 && parts[0].StartsWith("v=", StringComparison.Ordinal)
            && CryptographicOperations.FixedTimeEquals(ScramMessage.Base64(parts[0][2..]), _serverSignature);
    }
}
