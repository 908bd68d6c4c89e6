using System.Text;
using System.Text.Unicode;

namespace Indaba.Xmpp.Sasl;

/// <summary>The grammar that SCRAM messages share (RFC 5802 section 7).</summary>
internal static class ScramMessage
{
    private const int MaxMessage = 8192; // bytes: three parts of a JID, nonce, binding and proof take less

    public static string Decode(ReadOnlySpan<byte> message)
    {
        if (message.IsEmpty || message.Length > MaxMessage || !Utf8.IsValid(message) || message.Contains((byte)0)) throw Malformed();
        return Encoding.UTF8.GetString(message);
    }

    /// <summary>The value of an attribute that must stand here.</summary>
    public static string Value(string part, char name) => part.Length > 2 && part[0] == name && part[1] == '=' ? part[2..] : throw Malformed();

    /// <summary>A saslname: "=2C" and "=3D" stand for comma and equals sign.</summary>
    public static string Name(string value)
    {
        var rest = value.Replace("=2C", "", StringComparison.Ordinal).Replace("=3D", "", StringComparison.Ordinal);
        if (rest.Contains('=')) throw Malformed();
        return value.Replace("=2C", ",", StringComparison.Ordinal).Replace("=3D", "=", StringComparison.Ordinal);
    }

    public static string Escape(string name) => name.Replace("=", "=3D", StringComparison.Ordinal).Replace(",", "=2C", StringComparison.Ordinal);

    public static string Nonce(string value) => value.Length <= 1024 && !value.AsSpan().ContainsAnyExceptInRange('!', '~') ? value : throw Malformed();

    /// <summary>Optional extensions are a letter, an equals sign and a value each; what they say is ignored.</summary>
    public static void CheckExtensions(ReadOnlySpan<string> parts)
    {
        foreach (var part in parts)
        {
            if (part.Length < 3 || !char.IsAsciiLetter(part[0]) || part[1] != '=' || part[0] == 'm') throw Malformed();
        }
    }

    public static byte[] Base64(string value)
    {
        var bytes = new byte[value.Length];
        // White space is skipped by the decoder but is no base64 of RFC 5802.
        if (value.AsSpan().ContainsAny(" \t\r\n") || !Convert.TryFromBase64String(value, bytes, out var length)) throw Malformed();
        return bytes[..length];
    }

    public static byte[] Xor(byte[] a, byte[] b)
    {
        var result = new byte[a.Length];
        for (var i = 0; i < a.Length; i++) result[i] = (byte)(a[i] ^ b[i]);
        return result;
    }

    public static SaslException Malformed() => new(SaslCondition.MalformedRequest);
}
