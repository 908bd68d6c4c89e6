using System.Collections.Concurrent;

namespace Indaba.Load;

/// <summary>Many logins, some at once.</summary>
internal static class Logins
{
    /// <summary>Logs all in and returns what each login gave.</summary>
    public static async Task<IReadOnlyDictionary<string, T>> Together<T>(IReadOnlyCollection<string> names, int atOnce, Func<string, Task<T>> login)
    {
        var done = new ConcurrentDictionary<string, T>();
        await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (name, _) => done[name] = await login(name));
        return done;
    }
}
