using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Indaba.Xmpp.Sasl;

/// <summary>The hash functions of the SCRAM mechanisms (RFC 5802, RFC 7677, draft-melnikov-scram-sha-512).</summary>
public enum ScramHash { Sha1, Sha256, Sha512 }

/// <summary>Names and functions of <see cref="ScramHash"/>.</summary>
public static class ScramHashes
{
    private const string Prefix = "SCRAM-", PlusSuffix = "-PLUS";

    /// <summary>The hash's name in mechanism names: SHA-1, SHA-256, SHA-512.</summary>
    public static string Name(this ScramHash hash) => hash switch
    {
        ScramHash.Sha1 => "SHA-1",
        ScramHash.Sha256 => "SHA-256",
        _ => "SHA-512",
    };

    /// <summary>The mechanism's name, for example SCRAM-SHA-256-PLUS.</summary>
    public static string Mechanism(this ScramHash hash, bool plus = false) => Prefix + hash.Name() + (plus ? PlusSuffix : "");

    /// <summary>Reads a mechanism's name; false when it is no SCRAM mechanism known here.</summary>
    public static bool TryMechanism([NotNullWhen(true)] string? mechanism, out ScramHash hash, out bool plus)
    {
        plus = mechanism?.EndsWith(PlusSuffix, StringComparison.Ordinal) == true;
        foreach (var known in Enum.GetValues<ScramHash>())
        {
            hash = known;
            if (mechanism == known.Mechanism(plus)) return true;
        }
        hash = default;
        return false;
    }

    /// <summary>Bytes of a digest.</summary>
    public static int Size(this ScramHash hash) => hash switch
    {
        ScramHash.Sha1 => SHA1.HashSizeInBytes,
        ScramHash.Sha256 => SHA256.HashSizeInBytes,
        _ => SHA512.HashSizeInBytes,
    };

    /// <summary>H().</summary>
    internal static byte[] Digest(this ScramHash hash, ReadOnlySpan<byte> data) => CryptographicOperations.HashData(Algorithm(hash), data);

    /// <summary>HMAC().</summary>
    internal static byte[] Hmac(this ScramHash hash, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) => CryptographicOperations.HmacData(Algorithm(hash), key, data);

    /// <summary>Hi(), which is PBKDF2, over a prepared password.</summary>
    internal static byte[] SaltedPassword(this ScramHash hash, string prepared, byte[] salt, int iterations) =>
        Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(prepared), salt, iterations, Algorithm(hash), hash.Size());

    private static HashAlgorithmName Algorithm(ScramHash hash) => hash switch
    {
        ScramHash.Sha1 => HashAlgorithmName.SHA1,
        ScramHash.Sha256 => HashAlgorithmName.SHA256,
        _ => HashAlgorithmName.SHA512,
    };
}
