using System.Net;
using System.Net.Sockets;
using Indaba.Cluster;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Faults;

/// <summary>
/// ejabberd, as Debian ships it, behind the same HAProxy, with its archive in PostgreSQL: one node, for the comparison of
/// what an acknowledgement is worth. Nobody is pushed there what came while a device was away and the account was not, so
/// every device reads the archive after each login, as apps do.
/// </summary>
internal sealed class EjabberdTarget : Target
{
    private readonly EjabberdNode _node;

    private EjabberdTarget(EjabberdNode node, Balancer balancer, PostgresServer database) : base(networks: false) => (_node, Balancer, Database) = (node, balancer, database);

    /// <inheritdoc/>
    public override string Name => "ejabberd, 1 node";
    /// <inheritdoc/>
    public override IReadOnlyList<IClusterNode> Nodes => [_node];
    /// <inheritdoc/>
    public override Balancer Balancer { get; }
    /// <inheritdoc/>
    public override PostgresServer Database { get; }
    /// <inheritdoc/>
    public override bool HasBind2 => false;
    /// <inheritdoc/>
    public override bool SendsWhatWasMissed => false;
    /// <inheritdoc/>
    public override IReadOnlyList<Transport> Transports => [Transport.Plain];
    /// <inheritdoc/>
    public override Uri WebSocketUrl => throw new NotSupportedException();

    /// <summary>Starts it on an empty folder.</summary>
    public static async Task<EjabberdTarget> Start(string folder)
    {
        if (ChildProcess.Find("ejabberdctl") is null) throw new ClusterException("ejabberd is not installed. On Debian: apt-get install ejabberd");
        if (!Directory.EnumerateDirectories("/usr/lib/erlang/lib", "p1_pgsql-*").Any()) throw new ClusterException("ejabberd's driver for PostgreSQL is not installed. On Debian: apt-get install erlang-p1-pgsql");
        var layout = new ClusterOptions { Folder = folder, Server = [] }.OnFreePorts();
        var database = await PostgresServer.Open(Path.Combine(folder, "postgres"), layout.DatabasePort);
        await database.LetIn("trust"); // its driver is older than SCRAM in PostgreSQL
        await database.Start();
        await database.Sql($"SET ROLE {PostgresServer.Name}; {await File.ReadAllTextAsync("/usr/share/ejabberd/sql/pg.sql")}");
        var place = layout.Node(1);
        var node = new EjabberdNode(Path.Combine(folder, "ejabberd"), place.C2s, place.Agent, database);
        var text = EjabberdFile.Balancer(layout.Balancer, place.C2s);
        var balancer = new Balancer(Path.Combine(folder, "haproxy"), layout.Balancer, () => text);
        var target = new EjabberdTarget(node, balancer, database);
        try
        {
            await node.Start();
            await balancer.Start();
            return target;
        }
        catch
        {
            await target.DisposeAsync();
            throw;
        }
    }

    /// <summary>By in-band registration (XEP-0077): the command line takes a third of a second for each.</summary>
    public override async Task AddAccounts(IReadOnlyCollection<string> names)
    {
        foreach (var name in names)
        {
            await using var client = await WireClient.Connect(this);
            var query = new Element("query", Ns.Register).Add("username", Ns.Register, name).Add("password", Ns.Register, TestServer.Password);
            var answer = await client.Request(new Element("iq", Ns.Client).With("type", "set").Add(query));
            if (answer["type"] == "error") throw client.Failed($"{name} was not registered");
        }
    }

    /// <inheritdoc/>
    public override Task AwaitWhole() => _node.Start();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await Balancer.DisposeAsync();
        await _node.Kill();
        await Database.Kill();
    }
}

/// <summary>One ejabberd with a folder of its own.</summary>
internal sealed class EjabberdNode(string folder, int port, int distributionPort, PostgresServer database) : IClusterNode
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60), StopLimit = TimeSpan.FromSeconds(30);
    private ChildProcess? _process;

    /// <inheritdoc/>
    public string Name => "node 1";
    /// <inheritdoc/>
    public bool IsRunning => _process is { IsRunning: true };

    /// <inheritdoc/>
    public async Task Start()
    {
        if (!IsRunning) await Launch();
        using var limit = new CancellationTokenSource(StartLimit);
        while (!await Listens(limit.Token))
        {
            if (!IsRunning) throw new ClusterException($"ejabberd ended while starting:\n{_process!.Output}");
            await Task.Delay(50, limit.Token);
        }
    }

    /// <inheritdoc/>
    public async Task Kill()
    {
        if (_process is not { } process) return;
        process.KillAll();
        await process.Exited;
    }

    /// <inheritdoc/>
    public async Task Stop()
    {
        if (_process is not { IsRunning: true } process) return;
        process.SignalAll(ChildProcess.SigTerminate);
        await process.Exited.WaitAsync(StopLimit);
    }

    /// <inheritdoc/>
    public void Freeze() => _process?.SignalAll(ChildProcess.SigStop);

    /// <inheritdoc/>
    public void Thaw() => _process?.SignalAll(ChildProcess.SigContinue);

    private async Task Launch()
    {
        var root = Environment.UserName == "root";
        foreach (var part in new[] { "", "spool", "logs" }) Directory.CreateDirectory(Path.Combine(folder, part));
        await File.WriteAllTextAsync(Path.Combine(folder, "ejabberd.yml"), EjabberdFile.Server(port, database));
        // No epmd: it would be a process that all Erlang programs of the machine share.
        await File.WriteAllTextAsync(Path.Combine(folder, "ejabberdctl.cfg"), $"ERL_DIST_PORT={ChildProcess.Number(distributionPort)}\nINET_DIST_INTERFACE=127.0.0.1\nERL_OPTIONS=\"-env ERL_CRASH_DUMP_BYTES 0\"\n");
        await File.WriteAllTextAsync(Path.Combine(folder, "inetrc"), "{lookup,[\"file\",\"native\"]}.\n{host,{127,0,0,1}, [\"localhost\"]}.\n");
        if (root) await ChildProcess.Run(["chown", "-R", "ejabberd", folder]);
        string[] demotion = root ? ["setpriv", "--reuid=ejabberd", "--regid=ejabberd", "--clear-groups"] : [];
        _process = ChildProcess.Start([.. demotion, "env", $"HOME={folder}", ChildProcess.Find("ejabberdctl")!,
            "--config-dir", folder, "--config", Path.Combine(folder, "ejabberd.yml"), "--ctl-config", Path.Combine(folder, "ejabberdctl.cfg"),
            "--logs", Path.Combine(folder, "logs"), "--spool", Path.Combine(folder, "spool"), "--node", "faults@localhost", "foreground"], Path.Combine(folder, "log"));
    }

    private async Task<bool> Listens(CancellationToken cancel)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port, cancel);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
