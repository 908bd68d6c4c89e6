using System.Diagnostics;
using Indaba.Server.Accounts;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Indaba.Server.Tests.Accounts;

/// <summary>
/// A whole server in the process of the test: real storage, real sockets. For tests that must look inside or set a state
/// that clients reach only in many steps.
/// </summary>
internal sealed class RunningNode : TestServer
{
    private ServerHost? _host;
    private int _names;

    /// <summary>The running node.</summary>
    public Node Node => _host!.Node;

    /// <inheritdoc/>
    public override Uri WebSocketUrl => throw new NotSupportedException();

    /// <summary>Starts one on an empty folder.</summary>
    public static async Task<RunningNode> StartNew(Func<ServerOptions, ServerOptions>? change = null)
    {
        var server = new RunningNode();
        await server.StartNode(change);
        return server;
    }

    /// <summary>Starts the node on what the folder has.</summary>
    public async Task StartNode(Func<ServerOptions, ServerOptions>? change = null)
    {
        var options = new ServerOptions
        {
            DataDirectory = Folder, Domain = Domain, Bind = ["127.0.0.1"],
            C2s = new() { Port = new ListenPort(C2sPort) },
            Tls = new() { Port = ListenPort.Off },
            Http = new() { Port = ListenPort.Off },
            Https = new() { Port = ListenPort.Off },
            Scram = new() { Iterations = 4096 },
            Limits = new() { BytesPerSecond = 0 },
            Logging = new() { Level = LogLevel.Error },
        };
        _host = await ServerHost.StartAsync(new Settings(change?.Invoke(options) ?? options), TimeProvider.System, default);
    }

    /// <summary>Takes the node down in order; the folder stays.</summary>
    public async Task StopNode()
    {
        if (_host is null) return;
        await _host.DisposeAsync();
        _host = null;
    }

    /// <inheritdoc/>
    public override async Task AddAccounts(IReadOnlyCollection<string> names)
    {
        var accounts = new AccountService(Node.AccountRows, Node.Settings);
        foreach (var name in names)
        {
            if (!(await accounts.CreateAsync(name, Password, Role.User)).IsDone) throw new WireException($"the account {name} was not made");
        }
    }

    /// <summary>Makes an account under a name that was never used.</summary>
    public async Task<Jid> NewAccount(string name)
    {
        name = $"{name}{Interlocked.Increment(ref _names)}";
        await AddAccounts([name]);
        return Jid.Parse($"{name}@{Domain}");
    }

    /// <summary>The account of an address, activated.</summary>
    public async Task<Account> Account(Jid jid) => (await Node.Accounts.LocateAsync(jid)).Account ?? throw new WireException($"there is no {jid}");

    /// <summary>Puts an item into a roster that nobody has in memory yet.</summary>
    public async Task Store(Jid account, RosterItem item)
    {
        var row = await Node.AccountRows.FindAsync(account.Local!, account.Domain);
        await Node.Rosters.UpsertAsync(row!.Id, item);
    }

    /// <summary>What the database says of a contact, or null.</summary>
    public async Task<RosterItem?> Stored(Jid account, Jid contact) => (await Stored(account)).SingleOrDefault(i => i.Jid == contact.ToString());

    /// <summary>What the database says of all contacts.</summary>
    public async Task<IReadOnlyList<RosterItem>> Stored(Jid account)
    {
        var row = await Node.AccountRows.FindAsync(account.Local!, account.Domain);
        return (await Node.Rosters.LoadAsync(row!.Id)).Items;
    }

    /// <inheritdoc/>
    protected override ProcessStartInfo StartInfo() => throw new NotSupportedException();
}

/// <summary>One <see cref="RunningNode"/> for the tests of a class.</summary>
public sealed class NodeFixture : IAsyncLifetime
{
    internal RunningNode Server { get; private set; } = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => Server = await RunningNode.StartNew();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Server.StopNode();
        await Server.DisposeAsync();
    }
}
