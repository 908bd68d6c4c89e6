using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using Indaba.Server.Accounts;
using Indaba.Server.Admin;
using Indaba.Server.Cluster;
using Indaba.Server.Gateway;
using Indaba.Server.Mailbox;
using Indaba.Server.Options;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Server.Streams;
using Indaba.Server.Telemetry;
using Indaba.Xmpp.Streams;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Indaba.Server;

/// <summary>The listeners; their end points are known once they are bound.</summary>
internal sealed record Ports(ListenOptions? C2s, ListenOptions? Tls, ListenOptions? Http, ListenOptions? Https, ListenOptions? Agent)
{
    /// <summary>The port of a listener, or null when it is off.</summary>
    public static int? Of(ListenOptions? listener) => listener?.IPEndPoint?.Port;

    /// <summary>Those that are on, as the operator reads them.</summary>
    public string Show() => string.Join(' ', new[] { ("c2s", C2s), ("tls", Tls), ("http", Http), ("https", Https) }.Where(p => Of(p.Item2) is not null).Select(p => $"{p.Item1}:{Of(p.Item2)}"));
}

/// <summary>Puts a node together, runs it, and takes it down in order.</summary>
internal sealed class ServerHost : IAsyncDisposable
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(6), CloseLimit = TimeSpan.FromSeconds(3); // the whole stop stays under 10 s
    /// <summary>Connections that the system holds for us while none is accepted; the default of 512 makes clients of a dead node wait for a second SYN.</summary>
    private const int Backlog = 4096;
    private readonly CancellationTokenSource _stop = new();
    private readonly WebApplication _app;
    private readonly Database _database;
    private readonly MailboxLog _mailbox;
    private readonly Health _health;
    private readonly NodeRegistry _registry;
    private readonly Task _sweep;

    private ServerHost(WebApplication app, Database database, MailboxLog mailbox, Node node, NodeRegistry registry, Ports ports, CancellationTokenSource stop)
    {
        (_app, _database, _mailbox, Node, _registry, Ports, _stop) = (app, database, mailbox, node, registry, ports, stop);
        _health = app.Services.GetRequiredService<Health>();
        Drain = app.Services.GetRequiredService<Drain>();
        _sweep = SweepAsync();
    }

    /// <summary>The running node.</summary>
    public Node Node { get; }

    /// <summary>Where it listens.</summary>
    public Ports Ports { get; }

    /// <summary>Empties it.</summary>
    public Drain Drain { get; }

    /// <summary>Opens the data, starts the silo and the listeners.</summary>
    /// <exception cref="StorageException">The data cannot be opened.</exception>
    /// <exception cref="CertificateException">There is no usable certificate.</exception>
    public static async Task<ServerHost> StartAsync(Settings settings, TimeProvider time, CancellationToken cancel)
    {
        var options = settings.Current;
        var stop = new CancellationTokenSource();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "indaba" });
        builder.Logging.AddIndaba(settings);
        using var early = LoggerFactory.Create(l => l.AddIndaba(settings));
        var database = await OpenDatabaseAsync(options, time, early, cancel).ConfigureAwait(false);
        var shared = new SharedSettings(new SettingStore(database), settings, time, early.CreateLogger<SharedSettings>());
        await shared.BeginAsync(cancel).ConfigureAwait(false);
        options = settings.Current;
        var mailbox = await MailboxLog.OpenAsync(database, early, cancel).ConfigureAwait(false);
        var secret = await SecretAsync(database).ConfigureAwait(false);

        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton(settings);
        builder.Services.AddSingleton(database);
        builder.Services.AddMetrics();
        builder.Services.AddSingleton<Certificates>();
        builder.Services.AddSingleton(services => new Health(database, services.GetRequiredService<Node>().Lifecycle));
        builder.Services.AddSingleton(shared);
        builder.Services.AddSingleton<Drain>();
        builder.Services.AddSingleton<CommitTimes>();
        builder.Services.AddSingleton<PrometheusExporter>();
        builder.Services.AddHostedService<SettingsWatch>();
        builder.Services.AddSingleton<ConnectionCounts>();
        builder.Services.AddSingleton<TcpHandler>();
        builder.Services.AddSingleton<ProxyProtocol>();
        builder.Services.AddSingleton<LoadGauge>();
        builder.Services.AddSingleton<AgentCheck>();
        if (options.Cluster.AgentPort.IsOn || options.Database.PostgreSql is not null) builder.Services.AddHostedService(services => services.GetRequiredService<LoadGauge>());
        builder.Services.AddSingleton(services => new Node(settings, time, services.GetRequiredService<ILoggerFactory>(), services.GetRequiredService<IGrainFactory>(), services.GetRequiredService<NodeServiceClient>, () => services.GetRequiredService<Orleans.Runtime.ILocalSiloDetails>().SiloAddress, services.GetRequiredService<IMeterFactory>(), database, mailbox)
        {
            LoginSecret = secret,
            AcksBeforeCommit = Environment.GetEnvironmentVariable("UNSAFE_ACK_BEFORE_COMMIT") == "1",
            StopToken = stop.Token,
        });
        builder.Services.AddRoutingCore();
        builder.Host.UseOrleans(silo => silo.AddNode(options));
        builder.Services.AddHostedService<Membership>();
        Ports? ports = null;
        builder.WebHost.UseKestrelCore().UseSockets(sockets => sockets.Backlog = Backlog).ConfigureKestrel((_, kestrel) => ports = Listen(kestrel, options));

        var app = builder.Build();
        var node = app.Services.GetRequiredService<Node>();
        app.UseTrustedProxies(options);
        app.UseWebSockets();
        app.MapXmppWebSocket(node, app.Services.GetRequiredService<ConnectionCounts>());
        if (node.AcksBeforeCommit) node.Log.AcksBeforeCommit();
        var health = app.Services.GetRequiredService<Health>();
        health.Map(app);
        app.Services.GetRequiredService<LoadGauge>().Answer();
        var metrics = app.Services.GetRequiredService<PrometheusExporter>();
        metrics.Map(app, () => settings.Current.Http);
        app.MapAdmin(new AdminServices(settings, node.Address, node.AccountService, node.AccountRows, node.Invitations, mailbox, Processes(node), metrics, time));
        NodeRegistry? registry = null;
        app.MapClusterAdmin(new ClusterServices(app.Services.GetRequiredService<Drain>(), shared, health, () => registry));
        app.GuardAdminSocket(options);
        MapPages(app, node, time);
        await app.StartAsync(cancel).ConfigureAwait(false);
        node.Address.Bound(Ports.Of(ports?.Http), Ports.Of(ports?.Https));
        await health.StartAsync().ConfigureAwait(false);
        node.Lifecycle.Advance(NodeState.Serving);
        registry = new NodeRegistry(node, new NodeStore(database), shared, app.Services.GetRequiredService<CommitTimes>(), options.Cluster.Address, ports!.Show());
        registry.Start();
        return new ServerHost(app, database, mailbox, node, registry, ports, stop);
    }

    private static async Task<Database> OpenDatabaseAsync(ServerOptions options, TimeProvider time, ILoggerFactory logs, CancellationToken cancel)
    {
        if (options.Database is not { PostgreSql: { } connection } database)
            return await SqliteDatabase.OpenAsync(Path.Combine(options.DataDirectory, "indaba.db"), time, logs, cancel).ConfigureAwait(false);
        var settings = new PostgresSettings(connection) { ReadConnections = database.ReadConnections, JobConnections = database.JobConnections, LogWriters = database.LogWriters };
        return await PostgresDatabase.OpenAsync(settings, time, logs, null, cancel).ConfigureAwait(false);
    }

    /// <summary>The process table of all nodes.</summary>
    private static ProcessTable Processes(Node node)
    {
        var table = new ProcessTable(node.Sessions)
        {
            AskOthers = async (kind, question, _) => [.. (await node.Links.AskAllAsync(kind, question, TimeSpan.FromSeconds(3)).ConfigureAwait(false)).Select(a => a.ToArray())],
        };
        foreach (var kind in new[] { ProcessTable.SessionsKind, ProcessTable.DevicesKind })
            node.Questions[kind] = question => Task.FromResult(table.Answer(kind, question.Span));
        return table;
    }

    /// <summary>What browsers see.</summary>
    private static void MapPages(WebApplication app, Node node, TimeProvider time)
    {
        var connecting = new Connecting(node.Settings, app.Services.GetRequiredService<Certificates>());
        app.MapHostMeta(node.Address);
        connecting.MapLanding(app);
        new InvitationPage(node.Invitations, node.Settings, connecting, node.Attempts).Map(app);
    }

    private static Ports Listen(KestrelServerOptions kestrel, ServerOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.AddAdminSocket(options);
        var certificates = kestrel.ApplicationServices.GetRequiredService<Certificates>();
        var proxied = kestrel.ApplicationServices.GetRequiredService<ProxyProtocol>();
        var node = new Lazy<Node>(kestrel.ApplicationServices.GetRequiredService<Node>);
        ListenOptions? On(IReadOnlyList<string> bind, ListenPort port, Action<ListenOptions> configure)
        {
            ListenOptions? last = null;
            foreach (var endPoint in Listeners.EndPoints(bind, port)) kestrel.Listen(endPoint, l => configure(last = l));
            return last;
        }
        return new Ports(
            On(options.Bind, options.C2s.Port, l => proxied.Guard(l).UseConnectionHandler<TcpHandler>()),
            On(options.Bind, options.Tls.Port, l => proxied.Guard(l).UseLoginDoor(() => node.Value.Admission).UseHttps(certificates.DirectTls).UseConnectionHandler<TcpHandler>()),
            On(options.Http.Bind, options.Http.Port, l => proxied.Guard(l)),
            On(options.Bind, options.Https.Port, l => proxied.Guard(l).UseHttps(certificates.Https)),
            On(options.Cluster.AgentBind, options.Cluster.AgentPort, l => l.UseConnectionHandler<AgentCheck>()));
    }

    /// <summary>A secret of the data folder (see ScramKeys.Fake): made once, the same after every restart.</summary>
    private static async Task<byte[]> SecretAsync(Database database)
    {
        var data = new DataStore(database);
        if (await data.GetAsync(0, "server", "login-secret").ConfigureAwait(false) is { } known) return known;
        var secret = RandomNumberGenerator.GetBytes(32);
        await data.SetAsync(0, "server", "login-secret", secret).ConfigureAwait(false);
        return secret;
    }

    private async Task SweepAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(250), Node.Time);
        try
        {
            for (var tick = 1; await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false); tick++)
            {
                Sweep(tick);
            }
        }
        catch (OperationCanceledException) { /* stopping */ }
    }

    /// <summary>One turn of the sweep; a fault in one must not end all that come after it.</summary>
    private void Sweep(int tick)
    {
        try
        {
            Node.Sessions.Sweep();
            Node.Admission.Sweep();
            if (tick % 20 == 0) Node.Sessions.CheckAlive();
            if (tick % 2400 == 0) _ = TrimAsync();
        }
        catch (Exception error)
        {
            Node.Log.SweepFailed(error);
        }
    }

    /// <summary>Removes what is older than the settings keep, in slices between which others commit.</summary>
    private async Task TrimAsync()
    {
        if (Node.Options.Retention.Days is not (> 0 and var days)) return;
        var olderThan = Node.Time.GetUtcNow().AddDays(-days).ToUnixTimeMilliseconds();
        try
        {
            while (!_stop.IsCancellationRequested && await _mailbox.TrimAsync(null, olderThan, 500).ConfigureAwait(false) > 0) { }
        }
        catch (Exception error)
        {
            Node.Log.TrimFailed(error);
        }
    }

    /// <summary>
    /// Stops in order: in a cluster the balancer is told and the sessions are sent to other nodes, within seconds; nothing new
    /// begins, clients are told (system-shutdown), what was begun is committed. What a client does not take in time stays pending.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(StopLimit, Node.Time);
        if (Node.InCluster) await HurryAsync().ConfigureAwait(false);
        Node.Lifecycle.Advance(NodeState.Stopping);
        await Drain.DisposeAsync().ConfigureAwait(false);
        await _registry.DisposeAsync().ConfigureAwait(false);
        await _health.DisposeAsync().ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        await _sweep.ConfigureAwait(false);
        try
        {
            var closing = new StreamClosing(StreamCondition.SystemShutdown);
            await Task.WhenAll(Node.Sessions.All.Select(s => s.EndAsync(notifyPeers: Node.InCluster, closing))).WaitAsync(limit.Token).ConfigureAwait(false);
            await _app.StopAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) { /* the time is over; what was acked is on disk */ }
        try
        {
            await CloseDataAsync().WaitAsync(CloseLimit, Node.Time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Node.Log.StoppedBeforeCommit(_mailbox.QueueLength); // the database does not commit: nobody was told that it had
        }
    }

    private async Task HurryAsync()
    {
        using var limit = new CancellationTokenSource(DrainLimit, Node.Time);
        await Drain.HurryAsync(limit.Token).ConfigureAwait(false);
    }

    private async Task CloseDataAsync()
    {
        await _mailbox.DisposeAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        await _database.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The command line decides when the server stops, not the host.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
