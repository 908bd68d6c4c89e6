using System.Diagnostics;
using Indaba.Server.Tests.Wire;

namespace Indaba.Load;

/// <summary>Logins as fast as they go: connect, authenticate, bind, presence, end.</summary>
internal sealed class LoginRun(LoadOptions options, LoadTarget target)
{
    /// <summary>Runs and prints.</summary>
    public async Task<bool> Run()
    {
        // Few accounts, each logged in often: the test client then hashes each password once, and what is measured is the server.
        var names = Enumerable.Range(0, options.AtOnce).Select(i => $"u{i}").ToArray();
        await target.AddAccounts(names);
        await Logins.Together(names, options.AtOnce, name => Login(name, 0));
        var stats = target.Servers;
        var times = new Histogram();
        var (cpu, watch) = (stats.CpuMicros(), Stopwatch.StartNew());
        var left = options.Count;
        await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = options.AtOnce }, async (name, _) =>
        {
            for (int n; (n = Interlocked.Decrement(ref left)) >= 0;)
            {
                var start = Stopwatch.GetTimestamp();
                await Login(name, n);
                times.AddSince(start);
            }
        });
        Console.WriteLine(FormattableString.Invariant($"login, {options.Server}, {options.Count} logins, {options.AtOnce} at once, {options.Mechanism}, {options.Transport}"));
        Console.WriteLine(FormattableString.Invariant($"  {options.Count / watch.Elapsed.TotalSeconds:0} logins/s, {(stats.CpuMicros() - cpu) / options.Count / 1000:0.00} ms server CPU each"));
        Console.WriteLine($"  {times}");
        return true;
    }

    private async Task<int> Login(string name, int number)
    {
        var client = await WireClient.Login(target.Of(name), name, $"l{number}", options.Transport, mechanism: options.Mechanism);
        await client.Appear();
        await client.Close();
        return number;
    }
}
