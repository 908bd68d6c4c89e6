using System.Net;
using System.Net.Sockets;
using Indaba.Cluster;
using Indaba.Server.Tests.Wire;

namespace Indaba.Faults;

/// <summary>What is broken and what clients connect to: message servers behind HAProxy, with a database.</summary>
internal abstract class Target(bool networks) : WireTarget, IAsyncDisposable
{
    private int _generation;

    /// <summary>What the table calls it.</summary>
    public abstract string Name { get; }
    /// <summary>The message servers.</summary>
    public abstract IReadOnlyList<IClusterNode> Nodes { get; }
    /// <summary>The load balancer.</summary>
    public abstract Balancer Balancer { get; }
    /// <summary>The database.</summary>
    public abstract PostgresServer Database { get; }
    /// <summary>True when the nodes have networks of their own.</summary>
    public bool HasNetworks => networks;
    /// <summary>The database's disk when it is a small one that can be filled.</summary>
    public SmallDisk? Disk { get; init; }
    /// <summary>How clients connect, in turn.</summary>
    public virtual IReadOnlyList<Transport> Transports => HasNetworks
        ? [Transport.DirectTls, Transport.StartTls, Transport.WebSocket] // not from this machine: nobody logs in without TLS
        : [Transport.Plain, Transport.DirectTls, Transport.WebSocket, Transport.Plain];
    /// <summary>True when the server knows SASL2 and Bind 2.</summary>
    public virtual bool HasBind2 => true;
    /// <summary>True when each device is sent all that it missed; else all of them must ask the archive.</summary>
    public virtual bool SendsWhatWasMissed => true;

    /// <inheritdoc/>
    public override IPAddress Address => Balancer.Place.Address;
    /// <inheritdoc/>
    public override int C2sPort => Balancer.Place.C2s;
    /// <inheritdoc/>
    public override int TlsPort => Balancer.Place.Tls;
    /// <inheritdoc/>
    public override IPAddress? Source => networks && _generation > 0 ? ClientAddress(_generation) : null;

    /// <summary>Makes accounts, all with the password of tests.</summary>
    public abstract Task AddAccounts(IReadOnlyCollection<string> names);

    /// <summary>Waits until a client that connects is greeted.</summary>
    public async Task AwaitGreeting()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (true)
        {
            try
            {
                await using var client = await WireClient.Connect(this, Transports[0]);
                return;
            }
            catch (Exception e) when (e is WireException or IOException or SocketException)
            {
                await Task.Delay(100, limit.Token); // the balancer has not found a node yet
            }
        }
    }

    /// <summary>Waits until every node serves that should.</summary>
    public abstract Task AwaitWhole();

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>All clients vanish without a word, and come back from another address; returns the old one.</summary>
    public async Task<IPAddress> LoseClients()
    {
        var old = ClientAddress(_generation);
        await Networks.AddClientAddress(ClientAddress(_generation + 1));
        await Networks.Silence(old);
        _generation++;
        return old;
    }

    /// <summary>Clients begin at an address that can be taken away from them.</summary>
    protected async Task GiveClientsAnAddress()
    {
        if (!networks) return;
        await Networks.AddClientAddress(ClientAddress(1));
        _generation = 1;
    }

    private static IPAddress ClientAddress(int generation) => IPAddress.Parse($"10.77.2.{1 + generation % 250}");
}

/// <summary>Indaba, as <c>tools/cluster</c> runs it.</summary>
internal sealed class IndabaTarget : Target
{
    private readonly ClusterRun _run;

    private IndabaTarget(ClusterRun run, bool networks) : base(networks) => _run = run;

    /// <inheritdoc/>
    public override string Name => $"Indaba, {_run.Options.Nodes} nodes";
    /// <inheritdoc/>
    public override IReadOnlyList<IClusterNode> Nodes => _run.Nodes;
    /// <inheritdoc/>
    public override Balancer Balancer => _run.Balancer;
    /// <inheritdoc/>
    public override PostgresServer Database => _run.Database;
    /// <inheritdoc/>
    public override Uri WebSocketUrl => new($"{(HasNetworks ? "wss" : "ws")}://{Balancer.Place.Address}:{(HasNetworks ? Balancer.Place.Https : Balancer.Place.Http)}/xmpp-websocket");

    /// <summary>Starts a cluster on a folder.</summary>
    public static async Task<IndabaTarget> Start(FaultOptions options, string folder, bool networks, SmallDisk? disk)
    {
        var layout = new ClusterOptions
        {
            Folder = folder,
            Server = ClusterOptions.BuiltServer(),
            Nodes = options.Nodes,
            Networks = networks,
            Arguments = options.ServerArguments,
            DatabaseFolder = disk is null ? null : Path.Combine(disk.Folder, "postgres"),
        };
        layout = networks ? layout with { Balancer = layout.Balancer with { Address = Networks.Balancer } } : layout.OnFreePorts();
        var target = new IndabaTarget(await ClusterRun.Start(layout, Console.WriteLine), networks) { Disk = disk };
        await target.GiveClientsAnAddress();
        return target;
    }

    /// <inheritdoc/>
    public override Task AddAccounts(IReadOnlyCollection<string> names) =>
        _run.AnyNode.Run(string.Concat(names.Select(n => $"{n} {TestServer.Password}\n")), "user", "add", "--stdin");

    /// <inheritdoc/>
    public override Task AwaitWhole() => Task.WhenAll(_run.Nodes.Where(n => n.IsWanted).Select(n => n.AwaitUp()));

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => _run.DisposeAsync();
}
