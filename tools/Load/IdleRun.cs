using System.Diagnostics;
using Indaba.Server.Tests.Wire;

namespace Indaba.Load;

/// <summary>Sessions that are online and silent: what memory each costs.</summary>
internal sealed class IdleRun(LoadOptions options, LoadTarget target)
{
    private const int Before = 50; // sessions that pay for what is paid once

    /// <summary>Runs and prints.</summary>
    public async Task<bool> Run()
    {
        var names = Enumerable.Range(0, options.Sessions + Before).Select(i => $"u{i}").ToArray();
        await target.AddAccounts(names);
        var stats = target.Servers;
        var running = new List<Task>();
        var connections = new List<Connection>();
        await Add(names[..Before], connections, running);
        await Task.Delay(TimeSpan.FromSeconds(Math.Min(3, options.Settle)));
        var empty = stats.Memory();
        var (cpu, watch) = (stats.CpuMicros(), Stopwatch.StartNew());
        await Add(names[Before..], connections, running);
        var login = (Cpu: stats.CpuMicros() - cpu, watch.Elapsed);
        var full = stats.Memory();
        await Task.Delay(TimeSpan.FromSeconds(options.Settle));
        var settled = stats.Memory();
        var idleCpu = stats.CpuMicros();
        await Task.Delay(TimeSpan.FromSeconds(2));
        idleCpu = (stats.CpuMicros() - idleCpu) / 2e6;

        Console.WriteLine(FormattableString.Invariant($"idle, {options.Server}, {options.Sessions} sessions, {options.Transport}"));
        Console.WriteLine(FormattableString.Invariant($"  PSS {empty.Pss / 1024.0:0.0} MiB with {Before} sessions, {full.Pss / 1024.0:0.0} MiB with all, {settled.Pss / 1024.0:0.0} MiB after {options.Settle} s"));
        Console.WriteLine(FormattableString.Invariant($"  {(settled.Pss - empty.Pss) / (double)options.Sessions:0.0} KiB PSS per session ({(settled.Rss - empty.Rss) / (double)options.Sessions:0.0} KiB RSS), {(full.Pss - empty.Pss) / (double)options.Sessions:0.0} KiB at once"));
        Console.WriteLine(FormattableString.Invariant($"  logins: {options.Sessions / login.Elapsed.TotalSeconds:0}/s, {login.Cpu / options.Sessions / 1000:0.00} ms server CPU each; idle: {idleCpu * 100:0.0} % of a core"));
        foreach (var c in connections) c.Dispose();
        await Task.WhenAll(running);
        return true;
    }

    private async Task Add(string[] names, List<Connection> connections, List<Task> running)
    {
        foreach (var link in (await Logins.Together(names, options.AtOnce, n => Connection.Login(target.Of(n), n, options.Transport, appears: true))).Values)
        {
            var connection = new Idler(link);
            connections.Add(connection);
            running.Add(connection.Run());
        }
    }

    private sealed class Idler((System.Net.Sockets.Socket, Stream, byte[]) link) : Connection(link, 0);
}
