using Indaba.Server.Tests.Wire;
using Xunit;

namespace Indaba.Cluster.Tests;

/// <summary>All tests share one cluster, one after the other: starting it costs more than most of them.</summary>
[CollectionDefinition(Name)]
public sealed class OneCluster : ICollectionFixture<RunningCluster>
{
    public const string Name = "one cluster";
}

/// <summary>Three nodes, PostgreSQL and HAProxy, as an operator has them.</summary>
public sealed class RunningCluster : IAsyncLifetime
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"cluster-{Environment.ProcessId}");
    private ClusterRun? _run;
    private string? _missing;
    private int _names;

    /// <summary>The cluster; a test that needs it is skipped where PostgreSQL or HAProxy is missing.</summary>
    internal ClusterRun Run
    {
        get
        {
            Assert.SkipWhen(_missing is not null, _missing ?? "");
            return _run!;
        }
    }

    /// <summary>What a client of the balancer connects to.</summary>
    internal WireTarget Balancer => new BalancerTarget(Run);

    /// <summary>What a client of one node connects to, as if the balancer had chosen it.</summary>
    internal WireTarget Node(int number) => new NodeTarget(Run.Nodes.Single(n => n.Number == number));

    /// <summary>The node with this number.</summary>
    internal ServerNode Process(int number) => Run.Nodes.Single(n => n.Number == number);

    public async ValueTask InitializeAsync()
    {
        var missing = ClusterRun.Missing().ToList();
        if (missing.Count > 0 && Environment.GetEnvironmentVariable("CI") != "true")
        {
            _missing = string.Join("; ", missing);
            return;
        }
        _run = await ClusterRun.Start(new ClusterOptions { Folder = _folder, Server = ClusterOptions.BuiltServer() }.OnFreePorts());
    }

    public async ValueTask DisposeAsync()
    {
        if (_run is null) return;
        await _run.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>A new account; its name begins with the given one.</summary>
    internal async Task<string> Account(string name) => (await Accounts(name))[0];

    /// <summary>New accounts; their names begin with the given ones.</summary>
    internal async Task<string[]> Accounts(params string[] names)
    {
        string[] made = [.. names.Select(n => $"{n}{Interlocked.Increment(ref _names)}")];
        await Run.AnyNode.Run(string.Concat(made.Select(n => $"{n} {TestServer.Password}\n")), "user", "add", "--stdin");
        return made;
    }

    /// <summary>Runs a command of the server's at a node.</summary>
    internal Task<string> Command(int node, params IReadOnlyList<string> arguments) => Process(node).Run(null, arguments);

    /// <summary>Everything that a test may have taken down is up again, for the next one.</summary>
    internal async Task Mend()
    {
        foreach (var node in Run.Nodes) await node.Start();
    }

    private sealed class BalancerTarget(ClusterRun run) : WireTarget
    {
        public override System.Net.IPAddress Address => run.Options.Balancer.Address;
        public override int C2sPort => run.Options.Balancer.C2s;
        public override int TlsPort => run.Options.Balancer.Tls;
        public override Uri WebSocketUrl => new($"ws://{Address}:{run.Options.Balancer.Http}/xmpp-websocket");
    }

    private sealed class NodeTarget(ServerNode node) : WireTarget
    {
        // PROXY protocol, version 2: a TCP connection over IPv4, from 127.0.0.1:40000 to 127.0.0.1:5222
        private static readonly byte[] Header = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, 0x11, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1, 40000 >> 8, 40000 & 0xFF, 5222 >> 8, 5222 & 0xFF];

        public override System.Net.IPAddress Address => node.Place.Address;
        public override int C2sPort => node.Place.C2s;
        public override int TlsPort => node.Place.Tls;
        public override Uri WebSocketUrl => new($"ws://{Address}:{node.Place.Http}/xmpp-websocket");
        public override ReadOnlyMemory<byte> Preamble => Header;
    }
}
