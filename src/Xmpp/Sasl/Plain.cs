using System.Text;
using System.Text.Unicode;

namespace Indaba.Xmpp.Sasl;

/// <summary>The message of the PLAIN mechanism (RFC 4616).</summary>
/// <param name="AuthorizationId">Whom to act as; null when empty.</param>
/// <param name="Username">Who logs in.</param>
/// <param name="Password">The password, not prepared.</param>
public sealed record Plain(string? AuthorizationId, string Username, string Password)
{
    private const int MaxPart = 1024; // bytes; what RFC 4616 section 2 makes a server accept at least is 255

    /// <summary>Parses a message.</summary>
    /// <exception cref="SaslException">malformed-request.</exception>
    public static Plain Parse(ReadOnlySpan<byte> message)
    {
        var first = message.IndexOf((byte)0);
        var second = first < 0 ? -1 : message[(first + 1)..].IndexOf((byte)0);
        if (second < 0 || message.Length > 3 * MaxPart || !Utf8.IsValid(message)) throw new SaslException(SaslCondition.MalformedRequest);
        var authorization = Encoding.UTF8.GetString(message[..first]);
        var username = Encoding.UTF8.GetString(message.Slice(first + 1, second));
        var password = Encoding.UTF8.GetString(message[(first + second + 2)..]);
        if (username.Length == 0 || password.Length == 0 || password.Contains('\0')) throw new SaslException(SaslCondition.MalformedRequest);
        return new Plain(authorization.Length == 0 ? null : authorization, username, password);
    }

    /// <summary>The message as bytes.</summary>
    public byte[] ToBytes() => Encoding.UTF8.GetBytes($"{AuthorizationId}\0{Username}\0{Password}");

    /// <summary>Without the password: records are printed into logs.</summary>
    public override string ToString() => $"PLAIN of {Username}";
}
