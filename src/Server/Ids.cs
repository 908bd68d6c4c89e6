using System.Security.Cryptography;

namespace Indaba.Server;

/// <summary>The one source of randomness: every id and token comes from the operating system's CSPRNG.</summary>
internal static class Ids
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    /// <summary>A token of 160 bits, 32 characters [a-z2-7]: stream ids, session ids, secrets.</summary>
    public static string Token() => New(32);

    /// <summary>A short id of 60 bits, 12 characters [a-z2-7]: resources, stanza ids that need no secrecy.</summary>
    public static string Short() => New(12);

    /// <summary>A random string of <paramref name="length"/> characters [a-z2-7], 5 bits each.</summary>
    public static string New(int length)
    {
        Span<byte> random = stackalloc byte[length];
        RandomNumberGenerator.Fill(random);
        return string.Create(length, random, static (chars, bytes) =>
        {
            for (var i = 0; i < chars.Length; i++) chars[i] = Alphabet[bytes[i] & 31];
        });
    }
}
