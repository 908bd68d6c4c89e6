using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Indaba.Server.Tests.Wire;

namespace Indaba.Load;

/// <summary>
/// A reconnect storm: many devices are cut at one moment and come back at once, as after the death of a node, each when it
/// is told to. A few sessions that were not cut go on asking for answers, before and during it.
/// </summary>
internal sealed partial class StormRun(LoadOptions options, LoadTarget target)
{
    private const int Watchers = 8, DevicesOfOne = 10;
    private int _told, _closed;

    /// <summary>Runs and prints.</summary>
    public async Task<bool> Run()
    {
        var names = Enumerable.Range(0, options.Sessions).Select(i => $"u{i / DevicesOfOne}/d{i}").ToArray();
        await target.AddAccounts([.. names.Select(n => n.Split('/')[0]).Distinct(), "watcher"]);
        var devices = await Logins.Together(names, options.AtOnce, Login);
        var watchers = await Logins.Together([.. Enumerable.Range(0, Watchers).Select(i => $"watcher/{i}")], 1, Login);

        var quiet = await Watch(watchers.Values, Task.Delay(TimeSpan.FromSeconds(options.Seconds), TimeProvider.System));
        var stats = target.Servers;
        var back = new Histogram();
        var gone = options.Nodes > 1 ? names.Where(n => target.IsAtFirst(n.Split('/')[0])).ToArray() : names;
        if (!await target.KillFirst())
        {
            foreach (var device in devices.Values) device.Cut();
        }
        var (cpu, watch) = (stats.CpuMicros(), Stopwatch.StartNew()); // of the nodes that are left
        var start = Stopwatch.GetTimestamp();
        var storm = Task.WhenAll(gone.Select(name => Task.Run(async () =>
        {
            await ComeBack(name);
            back.AddSince(start);
        })));
        var connections = MostConnections(storm);
        var during = await Watch(watchers.Values, storm);
        await storm;
        Console.WriteLine(FormattableString.Invariant($"storm, {options.Server}, {gone.Length} devices at once{(options.Nodes > 1 ? $" of one killed node of {options.Nodes}" : "")}, {options.Mechanism}, {options.Transport}"));
        Console.WriteLine(FormattableString.Invariant($"  all back after {watch.Elapsed.TotalSeconds:0.0} s, {(stats.CpuMicros() - cpu) / gone.Length / 1000:0.00} ms server CPU each; told to wait {_told} times, closed {_closed} times"));
        Console.WriteLine($"  back      {back}");
        Console.WriteLine($"  quiet     {quiet}");
        Console.WriteLine($"  meanwhile {during}");
        if (options.Nodes > 0) Console.WriteLine($"  database connections at most: {await connections}");
        return true;
    }

    private async Task<int> MostConnections(Task end)
    {
        var most = 0;
        while (!end.IsCompleted)
        {
            most = Math.Max(most, await target.DatabaseConnections());
            await Task.WhenAny(end, Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System));
        }
        return most;
    }

    private Task<WireClient> Login(string name)
    {
        var parts = name.Split('/');
        return WireClient.Login(target.Of(parts[0]), parts[0], parts[1], options.Transport, mechanism: options.Mechanism);
    }

    private async Task ComeBack(string name)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                await Login(name); // stays connected to the end of the run
                return;
            }
            catch (WireException e) when (Seconds().Match(e.Message) is { Success: true } told)
            {
                Interlocked.Increment(ref _told);
                await Task.Delay(TimeSpan.FromSeconds(int.Parse(told.Groups[1].Value, CultureInfo.InvariantCulture)), TimeProvider.System);
            }
            catch (Exception e) when (e is IOException or WireException or OperationCanceledException && failures < 100)
            {
                // Closed without a word, as before direct TLS: a client's own back-off.
                Interlocked.Increment(ref _closed);
                await Task.Delay(TimeSpan.FromMilliseconds(RandomNumberGenerator.GetInt32(1000, 3000 << Math.Min(failures, 3))), TimeProvider.System);
            }
        }
    }

    /// <summary>How long answers take until <paramref name="end"/>, asked for ten times a second by each.</summary>
    private static async Task<Histogram> Watch(IEnumerable<WireClient> watchers, Task end)
    {
        var times = new Histogram();
        await Task.WhenAll(watchers.Select(async watcher =>
        {
            while (!end.IsCompleted)
            {
                var start = Stopwatch.GetTimestamp();
                await watcher.Barrier();
                times.AddSince(start);
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
            }
        }));
        return times;
    }

    [GeneratedRegex("come back in ([0-9]+) seconds")]
    private static partial Regex Seconds();
}
