using System.Diagnostics;
using System.Security.Cryptography;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp.Sasl;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>
/// The whole server inside the test's process: tests speak to it at the wire, and look at its tables where the protocol
/// shows nothing. One for a class of tests; each test takes accounts of its own.
/// </summary>
public class NodeServer : IAsyncLifetime
{
    private static int accounts;
    private Endpoint _endpoint = new();
    private ServerHost? _host;

    /// <summary>Changes what differs from the defaults of tests.</summary>
    private protected virtual ServerOptions Configure(ServerOptions options) => options;

    /// <summary>The running node.</summary>
    internal Node Node => _host!.Node;
    /// <summary>What clients connect to.</summary>
    internal TestServer Server => _endpoint;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        for (var attempt = 1; _host is null; attempt++)
        {
            try
            {
                _host = await ServerHost.StartAsync(new Settings(Options()), TimeProvider.System, TestContext.Current.CancellationToken);
            }
            catch (IOException) when (attempt < 5)
            {
                // Somebody took one of the free ports meanwhile.
                await _endpoint.DisposeAsync();
                _endpoint = new Endpoint();
            }
        }
    }

    private ServerOptions Options() => Configure(new ServerOptions
    {
        DataDirectory = _endpoint.Folder,
        Bind = ["127.0.0.1"],
        C2s = new C2sOptions { Port = new ListenPort(_endpoint.C2sPort) },
        Tls = new TlsOptions { Port = new ListenPort(_endpoint.TlsPort) },
        Http = new HttpOptions { Port = new ListenPort(_endpoint.HttpPort), Bind = ["127.0.0.1"] },
        Https = new HttpsOptions { Port = ListenPort.Off },
        Limits = new LimitsOptions { BytesPerSecond = 0 },
        Scram = new ScramOptions { Iterations = 4096 },
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_host is not null) await _host.DisposeAsync();
        await _endpoint.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes an account with a name that no other test has, the password of all tests, and returns it.</summary>
    internal async Task<AccountRow> AddAccount(string name)
    {
        var salt = RandomNumberGenerator.GetBytes(16);
        var keys = ScramKeys.Derive(ScramHash.Sha256, TestServer.Password, salt, 4096);
        var credential = new Credential(ScramHash.Sha256.Mechanism(), salt, 4096, keys.StoredKey, keys.ServerKey);
        var row = await Node.AccountRows.CreateAsync($"{name}{Interlocked.Increment(ref accounts)}", Node.Options.Domain, Role.User, [credential]);
        return row!;
    }

    /// <summary>Logs in with a resource; sends presence unless told otherwise.</summary>
    internal async Task<WireClient> Login(AccountRow account, string resource, bool appear = true)
    {
        var client = await WireClient.Login(_endpoint, account.Local, resource, Transport.DirectTls);
        if (appear) await client.Send("<presence/>");
        if (appear) await client.Barrier();
        client.ClearInbox();
        return client;
    }

    /// <summary>Ports and folder; the server behind them is no process of its own.</summary>
    private sealed class Endpoint : TestServer
    {
        public override Uri WebSocketUrl => new($"ws://127.0.0.1:{HttpPort}/xmpp-websocket");
        public override Task AddAccounts(IReadOnlyCollection<string> names) => throw new NotSupportedException();
        protected override ProcessStartInfo StartInfo() => throw new NotSupportedException();
    }
}
