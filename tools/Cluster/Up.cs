using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Indaba.Cluster;

/// <summary>The command <c>up</c>.</summary>
internal static class Up
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(3);

    /// <summary>Runs the cluster until Ctrl+C, SIGTERM or the command <c>down</c>.</summary>
    public static async Task<int> Foreground(CommandLine line)
    {
        if (await Control.IsUp(line.Folder)) throw new ClusterException($"a cluster runs in {line.Folder} already");
        var stop = new TaskCompletionSource();
        using var interrupt = On(PosixSignal.SIGINT, stop);
        using var terminate = On(PosixSignal.SIGTERM, stop);
        var run = await ClusterRun.Start(line.Options(), Console.WriteLine);
        await using var control = ControlServer.Listen(run, stop);
        Say(run);
        Console.WriteLine("ready");
        await stop.Task;
        Console.WriteLine("stopping");
        await run.Stop();
        Console.WriteLine("stopped");
        return 0;
    }

    /// <summary>Starts the same in the background and returns when it serves.</summary>
    public static async Task<int> Detached(CommandLine line)
    {
        if (await Control.IsUp(line.Folder)) throw new ClusterException($"a cluster runs in {line.Folder} already");
        Directory.CreateDirectory(line.Folder);
        var log = Path.Combine(line.Folder, "cluster.log");
        File.Delete(log);
        var self = Environment.ProcessPath!;
        string[] program = Path.GetFileNameWithoutExtension(self) == "dotnet" ? [self, Environment.GetCommandLineArgs()[0]] : [self];
        string[] arguments = [.. Environment.GetCommandLineArgs().Skip(1).Where(a => a != "--detach")];
        // Its output goes to a file and not to a pipe, which would end with this program.
        using var process = Process.Start(new ProcessStartInfo("setsid", ["sh", "-c", "log=$1; shift; exec \"$@\" >\"$log\" 2>&1 </dev/null", "sh", log, .. program, .. arguments]))!;
        using var limit = new CancellationTokenSource(StartLimit);
        var shown = 0;
        while (true)
        {
            var ended = process.HasExited;
            var lines = File.Exists(log) ? await File.ReadAllLinesAsync(log, limit.Token) : [];
            for (; shown < lines.Length; shown++)
            {
                if (lines[shown] == "ready") return 0;
                Console.WriteLine(lines[shown]);
            }
            if (ended) return 1;
            await Task.Delay(100, limit.Token);
        }
    }

    private static void Say(ClusterRun run)
    {
        var place = run.Options.Balancer;
        Console.WriteLine($"""

            apps connect to   {place.Address} port {place.C2s} (STARTTLS) or {place.Tls} (TLS), addresses name@localhost
            browsers to       http://localhost:{place.Http}
            database          {run.Database.Address}:{run.Database.Port}
            settings          {run.SettingsFile} (of all nodes)
            """);
        foreach (var node in run.Nodes) Console.WriteLine($"{node.Name,-17} port {node.Place.C2s}, {node.Place.Tls}, http {node.Place.Http}, log {node.Folder}/log, process {node.Process?.Id}");
        var lines = run.Nodes.SelectMany(n => (n.Process?.Output ?? "").Split('\n')).ToList();
        if (lines.Find(l => l.Contains("/invite/", StringComparison.Ordinal) || l.Contains("xmpp:", StringComparison.Ordinal)) is { } link)
            Console.WriteLine($"\nnobody has an account yet; open this link to make the first, the administrator's:\n{link}");
        Console.WriteLine();
    }

    private static PosixSignalRegistration On(PosixSignal signal, TaskCompletionSource stop) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        stop.TrySetResult();
    });
}
