using System.Net;
using System.Text.Json;

namespace Indaba.Cluster;

/// <summary>PostgreSQL, nodes and HAProxy together.</summary>
internal sealed class ClusterRun : IAsyncDisposable
{
    private readonly ClusterOptions _options;
    private readonly ClusterSettings _settings;
    private readonly List<ServerNode> _nodes = [];

    private ClusterRun(ClusterOptions options, PostgresServer database, ClusterSettings settings)
    {
        (_options, Database, _settings) = (options, database, settings);
        Balancer = new Balancer(Path.Combine(options.Folder, "haproxy"), options.Balancer, () => BalancerFile.Write(BalancerFile.Shipped(), [.. Nodes.Select(n => (n.Number, n.Place))]));
    }

    /// <summary>The database.</summary>
    public PostgresServer Database { get; }
    /// <summary>The load balancer.</summary>
    public Balancer Balancer { get; }
    /// <summary>The nodes, those that are down too.</summary>
    public IReadOnlyList<ServerNode> Nodes { get { lock (_nodes) return [.. _nodes]; } }
    /// <summary>How it is laid out.</summary>
    public ClusterOptions Options => _options;
    /// <summary>The settings file that all nodes read.</summary>
    public string SettingsFile => _settings.File;

    /// <summary>What is not installed, as sentences.</summary>
    public static IEnumerable<string> Missing()
    {
        if (PostgresServer.Binaries is null) yield return PostgresServer.Missing;
        if (ChildProcess.Find("haproxy") is null) yield return Balancer.Missing;
    }

    /// <summary>Starts everything and waits until it serves.</summary>
    public static async Task<ClusterRun> Start(ClusterOptions options, Action<string>? say = null)
    {
        if (Missing().ToList() is { Count: > 0 } missing) throw new ClusterException(string.Join('\n', missing));
        var folder = Path.GetFullPath(options.Folder);
        options = options with { Folder = folder };
        Directory.CreateDirectory(folder);
        var database = await PostgresServer.Open(options.DatabaseFolder ?? Path.Combine(folder, "postgres"), options.DatabasePort, options.Networks ? Networks.Database : null, disposable: false, options.PostgresSettings);
        database.MaxConnections = options.MaxConnections;
        var run = new ClusterRun(options, database, await Settings(options, database));
        try
        {
            say?.Invoke($"starting PostgreSQL at {database.Address}:{database.Port}");
            await database.Start();
            say?.Invoke($"starting {options.Nodes} nodes");
            for (var i = 0; i < options.Nodes; i++) await run.NewNode();
            await Task.WhenAll(run.Nodes.Select(n => n.Start()));
            say?.Invoke("starting HAProxy");
            await run.Balancer.Start();
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    /// <summary>One more node: it is started, and the balancer told of it.</summary>
    public async Task<ServerNode> Add()
    {
        var node = await NewNode();
        await node.Start();
        await Balancer.Reload();
        return node;
    }

    /// <summary>Takes a node away for good, in order.</summary>
    public async Task Remove(ServerNode node)
    {
        await node.Stop();
        lock (_nodes) _nodes.Remove(node);
        await Balancer.Reload();
    }

    /// <summary>A node that runs, for commands that any of them can answer.</summary>
    public ServerNode AnyNode => Nodes.FirstOrDefault(n => n.IsRunning) ?? throw new ClusterException("no node runs");

    /// <summary>Ends everything in order: clients first, then nodes, then the database.</summary>
    public async Task Stop()
    {
        await Balancer.Stop();
        await Task.WhenAll(Nodes.Select(n => n.Stop()));
        await Database.DisposeAsync();
    }

    /// <summary>Ends everything at once.</summary>
    public async ValueTask DisposeAsync()
    {
        await Balancer.DisposeAsync();
        foreach (var node in Nodes) await node.DisposeAsync();
        await Database.Kill();
    }

    private async Task<ServerNode> NewNode()
    {
        int number;
        lock (_nodes) number = _nodes.Count == 0 ? 1 : _nodes.Max(n => n.Number) + 1;
        if (_options.Networks) await Networks.Add(number);
        var node = new ServerNode(number, Path.Combine(_options.Folder, $"node{number}"), _options.Node(number), _settings) { Prefix = _options.Networks ? Networks.Prefix(number) : [] };
        lock (_nodes) _nodes.Add(node);
        return node;
    }

    private static async Task<ClusterSettings> Settings(ClusterOptions options, PostgresServer database)
    {
        var certificate = Path.Combine(options.Folder, "certificate.pem");
        await Certificate.Make(certificate, "localhost");
        var file = Path.Combine(options.Folder, "indaba.json");
        if (!File.Exists(file))
        {
            // Yours to change; what differs from node to node is given on their command lines.
            var text = JsonSerializer.Serialize(new Dictionary<string, object>
            {
                ["domain"] = "localhost",
                ["publicUrl"] = $"http://{(options.Balancer.Address.Equals(IPAddress.Loopback) ? "localhost" : options.Balancer.Address.ToString())}:{options.Balancer.Http}",
                ["certificate.path"] = certificate,
            }, Indented);
            await File.WriteAllTextAsync(file, text + "\n");
        }
        return new ClusterSettings
        {
            Server = options.Server,
            File = file,
            Balancers = options.Networks ? [Networks.Clients, Networks.Balancer] : [IPAddress.Loopback],
            Arguments = options.Arguments,
            // Not on the command line, which everybody on the machine can read.
            Environment = new Dictionary<string, string>(options.Environment) { ["INDABA_DATABASE__POSTGRESQL"] = database.ConnectionString },
        };
    }

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
}
