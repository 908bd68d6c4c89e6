using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Indaba.Cluster;

/// <summary>How a cluster on one machine is laid out.</summary>
internal sealed record ClusterOptions
{
    /// <summary>The folder with all that it keeps.</summary>
    public required string Folder { get; init; }
    /// <summary>The command that starts a server.</summary>
    public required IReadOnlyList<string> Server { get; init; }
    /// <summary>Nodes at the start.</summary>
    public int Nodes { get; init; } = 3;
    /// <summary>Where clients connect.</summary>
    public BalancerPlace Balancer { get; init; } = new(IPAddress.Loopback, 5222, 5223, 5280, 5281, 8404);
    /// <summary>The first port of what clients do not see: the database, and ten for each node.</summary>
    public int BasePort { get; init; } = 16000;
    /// <summary>Connections that the database takes. 100 is PostgreSQL's own default.</summary>
    public int MaxConnections { get; init; } = 100;
    /// <summary>More settings of PostgreSQL, <c>name=value</c>.</summary>
    public IReadOnlyList<string> PostgresSettings { get; init; } = [];
    /// <summary>Further arguments of <c>indaba run</c>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
    /// <summary>Environment variables of the nodes.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
    /// <summary>True when each node has a network of its own (<see cref="Cluster.Networks"/>); else all is on loopback.</summary>
    public bool Networks { get; init; }
    /// <summary>The database's folder when it is to be elsewhere (a small disk).</summary>
    public string? DatabaseFolder { get; init; }

    /// <summary>The database's port.</summary>
    public int DatabasePort => BasePort;

    /// <summary>The place of a node.</summary>
    public NodePlace Node(int number)
    {
        var port = BasePort + 10 * number;
        return new NodePlace(Networks ? Cluster.Networks.NodeAddress(number) : IPAddress.Loopback, port, port + 1, port + 2, port + 3, port + 4, port + 5);
    }

    /// <summary>The same on ports that nobody listens at, for tests.</summary>
    public ClusterOptions OnFreePorts()
    {
        var first = FreeRange(120);
        return this with { BasePort = first + 10, Balancer = Balancer with { C2s = first, Tls = first + 1, Http = first + 2, Https = first + 3, Stats = first + 4 } };
    }

    private static readonly string[] Configurations = ["Release", "Debug"];

    /// <summary>The built server of this source tree; XMPP_TEST_SERVER names another.</summary>
    public static IReadOnlyList<string> BuiltServer()
    {
        if (System.Environment.GetEnvironmentVariable("XMPP_TEST_SERVER") is { Length: > 0 } named) return named.EndsWith(".dll", StringComparison.Ordinal) ? ["dotnet", named] : [named];
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "Indaba.slnx"))) continue;
            var built = Configurations.Select(c => new FileInfo(Path.Combine(folder.FullName, "src", "Server", "bin", c, "net10.0", "indaba"))).Where(f => f.Exists).MaxBy(f => f.LastWriteTimeUtc);
            if (built is not null) return [built.FullName];
        }
        throw new ClusterException("The server is not built: dotnet build src/Server -c Release");
    }

    // Below the range from which the system takes the ports of outgoing connections.
    private static int FreeRange(int count)
    {
        while (true)
        {
            var first = RandomNumberGenerator.GetInt32(10_000, 32_000 - count);
            var listeners = new List<TcpListener>();
            try
            {
                for (var port = first; port < first + count; port++)
                {
                    var listener = new TcpListener(IPAddress.Loopback, port);
                    listener.Start();
                    listeners.Add(listener);
                }
                return first;
            }
            catch (SocketException)
            {
                // one is taken: try elsewhere
            }
            finally
            {
                foreach (var l in listeners) l.Stop();
            }
        }
    }
}
