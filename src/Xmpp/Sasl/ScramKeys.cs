using System.Security.Cryptography;
using System.Text;

namespace Indaba.Xmpp.Sasl;

/// <summary>
/// What a server keeps of a password for SCRAM (RFC 5802 section 3): enough to verify it, not enough to log in elsewhere.
/// Passwords are prepared by <see cref="SaslPrep"/>.
/// </summary>
/// <param name="Hash">The hash function.</param>
/// <param name="Salt">The salt; at least 16 random bytes when new.</param>
/// <param name="Iterations">PBKDF2 iterations.</param>
/// <param name="StoredKey">H(ClientKey).</param>
/// <param name="ServerKey">HMAC(SaltedPassword, "Server Key").</param>
public sealed record ScramKeys(ScramHash Hash, byte[] Salt, int Iterations, byte[] StoredKey, byte[] ServerKey)
{
    /// <summary>Derives the keys of a password. Costs <paramref name="iterations"/> hashes twice over: keep it off the read loop.</summary>
    /// <exception cref="FormatException">SASLprep refuses the password.</exception>
    public static ScramKeys Derive(ScramHash hash, string password, byte[] salt, int iterations)
    {
        if (!SaslPrep.TryPrepare(password, out var prepared)) throw new FormatException("the password is empty or has a forbidden character");
        return FromSalted(hash, hash.SaltedPassword(prepared, salt, iterations), salt, iterations);
    }

    /// <summary>
    /// Keys for a user that does not exist, always the same for the same name, so that the answer tells nothing about
    /// who exists. No password fits them.
    /// </summary>
    /// <param name="hash">The hash function of the mechanism.</param>
    /// <param name="username">The name as asked for, prepared.</param>
    /// <param name="secret">A secret of the server that stays over restarts; the same on all nodes.</param>
    /// <param name="iterations">As real users have them.</param>
    /// <param name="saltLength">As real users have it, in bytes; at most 32.</param>
    public static ScramKeys Fake(ScramHash hash, string username, byte[] secret, int iterations, int saltLength = 16)
    {
        byte[] Part(string use) => HMACSHA512.HashData(secret, Encoding.UTF8.GetBytes($"{use}\0{hash.Name()}\0{username}"));
        var size = hash.Size();
        return new ScramKeys(hash, Part("salt")[..saltLength], iterations, Part("stored key")[..size], Part("server key")[..size]);
    }

    /// <summary>True when this is the password. Takes as long for a wrong one.</summary>
    public bool Verify(string password)
    {
        if (!SaslPrep.TryPrepare(password, out var prepared)) return false;
        var keys = FromSalted(Hash, Hash.SaltedPassword(prepared, Salt, Iterations), Salt, Iterations);
        return CryptographicOperations.FixedTimeEquals(keys.StoredKey, StoredKey);
    }

    private static ScramKeys FromSalted(ScramHash hash, byte[] salted, byte[] salt, int iterations)
    {
        var keys = new ScramKeys(hash, salt, iterations, hash.Digest(hash.Hmac(salted, "Client Key"u8)), hash.Hmac(salted, "Server Key"u8));
        CryptographicOperations.ZeroMemory(salted);
        return keys;
    }
}
