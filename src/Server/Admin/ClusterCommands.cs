using System.CommandLine;
using System.Globalization;

namespace Indaba.Server.Admin;

/// <summary>Commands on nodes: who is there, is this one well, and send its users elsewhere.</summary>
internal static class ClusterCommands
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    public static IEnumerable<Command> All(RemoteCommand remote) => [Cluster(remote), Drain(remote), Health(remote)];

    private static Command Cluster(RemoteCommand remote) => remote.Of(new Command("cluster", "Show every node: state, load, version.") { RemoteCommand.Json }, async (client, parsed, cancel) =>
    {
        var found = await client.GetAsync("nodes", AdminJson.Default.NodeList, cancel).ConfigureAwait(false);
        if (remote.PrintJson(parsed, found, AdminJson.Default.NodeList)) return CommandLine.Done;
        remote.Terminal.Table(["node", "state", "sessions", "accounts", "cpu", "memory", "commit", "queue", "version", "roles", "address", "ports", "since"],
            found.Nodes.Select(n => new[]
            {
                n.ThisOne ? $"{n.Name}*" : n.Name, n.SilentSeconds is { } silent ? Invariant($"silent for {silent} s") : n.State, $"{n.Sessions}", $"{n.Accounts}",
                Invariant($"{n.CpuPercent:0} %"), Invariant($"{n.Memory / 1048576} MB"), n.CommitP99 > 0 ? Invariant($"{n.CommitP50:0.0} / {n.CommitP99:0.0} ms") : "",
                $"{n.Queue}", n.Version, n.Roles, n.Address, n.Ports, Terminal.Time(n.Started),
            }));
        return CommandLine.Done;
    });

    private static Command Health(RemoteCommand remote) => remote.Of(new Command("health", "Say whether this node should get connections; exit code 1 when not.") { RemoteCommand.Json }, async (client, parsed, cancel) =>
    {
        var report = await client.GetAsync("health", AdminJson.Default.HealthReport, cancel).ConfigureAwait(false);
        if (remote.PrintJson(parsed, report, AdminJson.Default.HealthReport)) return report.Ready ? CommandLine.Done : CommandLine.Failed;
        remote.Terminal.Out.WriteLine(report.Ready ? "ready" : $"not ready: {report.Fault}");
        foreach (var check in report.Checks)
            remote.Terminal.Out.WriteLine($"{(check.Ok ? "ok  " : "FAIL")} {check.Name}: {check.Says}{(check.AgeSeconds is { } age ? Invariant($", {age} s ago") : "")}");
        return report.Ready ? CommandLine.Done : CommandLine.Failed;
    });

    private static Command Drain(RemoteCommand remote)
    {
        var wait = new Option<bool>("--wait") { Description = "Wait until no session is left." };
        var stop = new Option<bool>("--stop") { Description = "End the server then, for good: its exit code 3 tells a supervisor not to start it again." };
        return remote.Of(new Command("drain", "Send the users of this node to the others, bit by bit. There is no way back but a restart.") { wait, stop }, async (client, parsed, cancel) =>
        {
            var stops = parsed.GetValue(stop);
            var status = await client.SendAsync(HttpMethod.Post, "drain", new DrainRequest(stops), AdminJson.Default.DrainRequest, AdminJson.Default.DrainReply, cancel).ConfigureAwait(false);
            Say(remote, status);
            if (parsed.GetValue(wait)) await WaitAsync(remote, client, status, stops, cancel).ConfigureAwait(false);
            return CommandLine.Done;
        });
    }

    private static async Task WaitAsync(RemoteCommand remote, AdminClient client, DrainReply last, bool stops, CancellationToken cancel)
    {
        var drained = last.Phase == "drained";
        while (!drained || stops)
        {
            await Task.Delay(Look, remote.Time, cancel).ConfigureAwait(false);
            try
            {
                var now = await client.GetAsync("drain", AdminJson.Default.DrainReply, cancel).ConfigureAwait(false);
                if (now != last) Say(remote, now);
                (last, drained) = (now, now.Phase == "drained");
            }
            catch (AdminException) when (stops)
            {
                remote.Terminal.Out.WriteLine("the server has ended");
                return;
            }
        }
    }

    private static void Say(RemoteCommand remote, DrainReply status) => remote.Terminal.Out.WriteLine(status.Phase switch
    {
        "notice" => Invariant($"draining: the balancer takes this node out; {status.Sessions} sessions"),
        "drained" => "drained: no session is left",
        _ => Invariant($"draining: {status.Sessions} sessions left"),
    });

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
