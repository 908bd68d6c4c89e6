using System.Net;
using System.Net.Sockets;
using Indaba.Server.Accounts;
using Indaba.Server.Admin;
using Indaba.Server.Cluster;
using Indaba.Server.Gateway;
using Indaba.Server.Mailbox;
using Indaba.Server.Options;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Server.Telemetry;
using Indaba.Server.Tests.Options;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Indaba.Server.Tests.Admin;

/// <summary>The HTTP side of a server, control socket included, on its own folder with a real database: no XMPP, no silo.</summary>
internal sealed class SmallServer : IAsyncDisposable
{
    private readonly Folder _folder = new();
    private WebApplication _app = null!;

    public Clock Clock { get; } = new();
    public Database Database { get; private set; } = null!;
    public MailboxLog Mailbox { get; private set; } = null!;
    public AccountStore Rows { get; private set; } = null!;
    public AccountService Accounts { get; private set; } = null!;
    public Invitations Invitations { get; private set; } = null!;
    public Health Health { get; private set; } = null!;
    public Lifecycle Lifecycle { get; } = new();
    public Settings Settings { get; private set; } = null!;
    public string Data => _folder.Path;
    public HttpClient Http { get; private set; } = null!;
    public List<(string Local, SessionsEnd Why)> Ended { get; } = [];

    /// <summary>Starts one; <paramref name="configure"/> changes the options.</summary>
    public static async Task<SmallServer> StartAsync(Func<ServerOptions, ServerOptions>? configure = null)
    {
        var server = new SmallServer();
        var options = new ServerOptions { DataDirectory = server.Data, Http = new() { Port = new(0) }, Https = new() { Port = ListenPort.Off }, Scram = new() { Iterations = 4096 } };
        await server.StartAsync(new Settings(configure?.Invoke(options) ?? options));
        return server;
    }

    private async Task StartAsync(Settings settings)
    {
        Settings = settings;
        Database = await SqliteDatabase.OpenAsync(Path.Combine(Data, "indaba.db"), Clock, NullLoggerFactory.Instance, CancellationToken.None);
        Mailbox = await MailboxLog.OpenAsync(Database, NullLoggerFactory.Instance);
        var address = new PublicAddress(settings);
        Rows = new AccountStore(Database);
        Accounts = new AccountService(Rows, settings)
        {
            EndSessions = (row, why, _) =>
            {
                Ended.Add((row.Local, why));
                return Task.CompletedTask;
            },
        };
        Invitations = new Invitations(new InvitationStore(Database), Rows, Accounts, settings, address, Clock);
        Health = new Health(Database, Lifecycle);

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.Services.AddLogging();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddAdminSocket(settings.Current);
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        _app = builder.Build();
        _app.UseTrustedProxies(settings.Current);
        var exporter = new PrometheusExporter();
        exporter.Map(_app, () => settings.Current.Http);
        Health.Map(_app);
        _app.MapHostMeta(address);
        var connecting = new Connecting(settings, new Certificates(settings, Clock, NullLogger<Certificates>.Instance));
        connecting.MapLanding(_app);
        new InvitationPage(Invitations, settings, connecting, new AttemptLimit(Clock, () => settings.Current.Registration.AttemptsPerAddressPerHour)).Map(_app);
        _app.MapAdmin(new AdminServices(settings, address, Accounts, Rows, Invitations, Mailbox, new ProcessTable(new SessionTable()), exporter, Clock));
        _app.GuardAdminSocket(settings.Current);
        await _app.StartAsync();
        var port = new Uri(_app.Urls.Single(u => u.StartsWith("http://127", StringComparison.Ordinal))).Port;
        address.Bound(port, null);
        await Health.StartAsync();
        Lifecycle.Advance(NodeState.Serving);
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };
    }

    /// <summary>Runs a command of the command line against this server.</summary>
    public Task<(int Code, string Out, string Error)> Indaba(params string[] arguments) => Indaba("", arguments);

    public Task<(int Code, string Out, string Error)> Indaba(string input, string[] arguments) => Cli.RunAsync(input, [.. arguments, "--data", Data]);

    /// <summary>Writes bytes to the control socket or the public listener and returns the answer, or only its first line.</summary>
    public async Task<string> RawAsync(string request, bool admin, bool firstLine = false)
    {
        using var socket = admin ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp);
        if (admin) await socket.ConnectAsync(new UnixDomainSocketEndPoint(StartCheck.AdminSocket(Data)));
        else await socket.ConnectAsync(IPAddress.Loopback, Http.BaseAddress!.Port);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(stream);
        var limit = TimeSpan.FromSeconds(30);
        return firstLine ? await reader.ReadLineAsync().WaitAsync(limit) ?? "" : await reader.ReadToEndAsync().WaitAsync(limit);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.DisposeAsync();
        await Health.DisposeAsync();
        await Mailbox.DisposeAsync();
        await Database.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>The command line, with its streams caught.</summary>
internal static class Cli
{
    public static async Task<(int Code, string Out, string Error)> RunAsync(string input, string[] arguments, Func<Settings, CancellationToken, Task<int>>? run = null, Dictionary<string, string>? environment = null)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var terminal = new Terminal(output, error, new StringReader(input), Interactive: false, environment ?? []);
        var code = await CommandLine.RunAsync(arguments, run ?? ((_, _) => Task.FromResult(99)), terminal, TimeProvider.System);
        return (code, output.ToString().ReplaceLineEndings("\n"), error.ToString().ReplaceLineEndings("\n"));
    }
}
