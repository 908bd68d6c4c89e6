using System.Collections.Concurrent;
using Indaba.Server.Tests.Scenarios;
using Indaba.Server.Tests.Wire;
using Xunit;

[assembly: AssemblyFixture(typeof(ScenarioServer))]

namespace Indaba.Server.Tests.Scenarios;

/// <summary>
/// The one server that all scenarios share, started with the first. XMPP_TEST_PEER=prosody runs them against Prosody
/// instead: where both fail, look at the scenario first.
/// </summary>
public sealed class ScenarioServer : IAsyncLifetime
{
    private static readonly string? Peer = Environment.GetEnvironmentVariable("XMPP_TEST_PEER");
    private readonly Lazy<Task<TestServer>> _server = new(StartNew);
    private readonly ConcurrentDictionary<string, Lazy<Task>> _runs = new();
    private readonly ConcurrentDictionary<string, string> _suffixes = new();
    private Task? _accounts;
    private readonly SemaphoreSlim _atOnce = new(8);
    private readonly SemaphoreSlim _ownServers = new(2);

    /// <summary>The name of the server under test.</summary>
    public static string ServerName => Peer ?? "indaba";

    /// <summary>The shared server.</summary>
    internal Task<TestServer> Shared => _server.Value;

    /// <summary>A server that can be killed without harm to others.</summary>
    internal static async Task<TestServer> StartNew() => Peer switch
    {
        null => await ServerProcess.StartNew("--set", "contacts.abuse=mailto:abuse@localhost"),
        "prosody" => await ProsodyProcess.StartNew(),
        _ => throw new InvalidOperationException($"XMPP_TEST_PEER={Peer}: prosody is the only peer known"),
    };

    /// <summary>
    /// The outcome of a scenario. The first call starts all of <paramref name="all"/>, several at once: that they
    /// share a server without disturbing each other is a part of the test.
    /// </summary>
    internal async Task Outcome(string path, IReadOnlyList<Scenario> all)
    {
        var accounts = LazyInitializer.EnsureInitialized(ref _accounts, () => MakeAccounts(all));
        foreach (var scenario in all) _ = Start(scenario, accounts).Value;
        await Start(all.Single(s => s.Path == path), accounts).Value;
    }

    /// <inheritdoc/>
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server.IsValueCreated) await (await _server.Value).DisposeAsync();
        _atOnce.Dispose();
        _ownServers.Dispose();
    }

    /// <summary>Makes the accounts of all scenarios on the shared server by one command.</summary>
    private async Task MakeAccounts(IReadOnlyList<Scenario> all) =>
        await Accounts.Add(await Shared, all.Where(s => !s.NeedsOwnServer).SelectMany(s => ScenarioRun.AccountsOf(s, Suffix(s))));

    private string Suffix(Scenario scenario) => _suffixes.GetOrAdd(scenario.Path, _ => ScenarioRun.NewSuffix());

    private Lazy<Task> Start(Scenario scenario, Task accounts) => _runs.GetOrAdd(scenario.Path, _ => new Lazy<Task>(() => Task.Run(() => scenario.NeedsOwnServer ? PlayAlone(scenario) : PlayShared(scenario, accounts))));

    private async Task PlayShared(Scenario scenario, Task accounts)
    {
        await accounts;
        await _atOnce.WaitAsync();
        try
        {
            await Play(scenario, await Shared);
        }
        finally
        {
            _atOnce.Release();
        }
    }

    private async Task PlayAlone(Scenario scenario)
    {
        await _ownServers.WaitAsync();
        try
        {
            await using var server = await StartNew();
            await Accounts.Add(server, ScenarioRun.AccountsOf(scenario, Suffix(scenario)));
            await Play(scenario, server);
        }
        finally
        {
            _ownServers.Release();
        }
    }

    private async Task Play(Scenario scenario, TestServer server)
    {
        await using var run = new ScenarioRun(scenario, server, Suffix(scenario));
        await run.Play();
    }
}
