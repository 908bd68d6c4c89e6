using System.Security.Cryptography;

namespace Indaba.Server.Storage;

/// <summary>How long to wait before the next attempt: twice as long each time, up to two seconds, and never all at the same moment.</summary>
internal static class Backoff
{
    private const int FirstMilliseconds = 20, MostMilliseconds = 2000;

    public static TimeSpan After(int attempts)
    {
        var most = Math.Min(MostMilliseconds, FirstMilliseconds << Math.Min(attempts, 10));
        return TimeSpan.FromMilliseconds(RandomNumberGenerator.GetInt32(most / 2, most + 1));
    }
}
