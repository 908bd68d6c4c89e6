using System.Text.Json;
using Indaba.Server.Options;
using Indaba.Server.Tests.Accounts;
using Indaba.Server.Tests.Wire;

namespace Indaba.Server.Tests.Balancer;

/// <summary>Two servers set up as nodes behind a balancer on this machine: processes, or in the test's own where a test must set their state.</summary>
internal static class BalancedNodes
{
    /// <summary>A process that HAProxy knows as <paramref name="name"/>, with alice's account.</summary>
    public static async Task<(ServerProcess Server, BalancedNode Node)> StartProcess(string name)
    {
        var ports = TestServer.FreePorts(2);
        var server = await ServerProcess.StartNew(
            "--set", $"https.port={ports[0]}", "--set", $"cluster.agentPort={ports[1]}", "--set", "proxyProtocol.from=127.0.0.1",
            "--set", "limits.bytesPerSecond=0", "--set", "scram.iterations=4096");
        await server.AddAccounts(["alice"]);
        return (server, new BalancedNode(name, server.C2sPort, server.TlsPort, server.HttpPort, ports[0], ports[1]));
    }

    /// <summary>A node in this process.</summary>
    public static async Task<(RunningNode Server, BalancedNode Node)> StartHere(string name, Func<ClusterOptions, ClusterOptions>? change = null)
    {
        var ports = TestServer.FreePorts(3);
        var server = await RunningNode.StartNew(o => o with
        {
            Tls = new() { Port = new ListenPort(ports[0]) },
            Http = new() { Port = new ListenPort(ports[1]), Bind = ["127.0.0.1"] },
            ProxyProtocol = new() { From = ["127.0.0.1"] },
            Cluster = (change ?? (c => c))(new ClusterOptions { AgentPort = new ListenPort(ports[2]), Sessions = 1000 }),
        });
        await server.AddAccounts(["alice"]);
        return (server, new BalancedNode(name, server.C2sPort, ports[0], ports[1], ports[0], ports[2]));
    }

    /// <summary>The sessions that <c>indaba sessions</c> shows.</summary>
    public static async Task<IReadOnlyList<(string Jid, string Address, string Transport, bool Secure)>> Sessions(ServerProcess server)
    {
        using var json = JsonDocument.Parse(await server.Command("sessions", "--json"));
        return [.. json.RootElement.GetProperty("sessions").EnumerateArray().Select(s => (
            s.GetProperty("jid").GetString()!, s.GetProperty("address").GetString()!, s.GetProperty("transport").GetString()!, s.GetProperty("secure").GetBoolean()))];
    }
}
