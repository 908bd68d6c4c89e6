using Indaba.Cluster;
using Indaba.Server.Tests.Wire;

namespace Indaba.Load;

/// <summary>
/// What is measured: one server by itself, or some nodes on one PostgreSQL (without a balancer: each client is told its
/// node, so that it is known what crosses nodes and what does not).
/// </summary>
internal sealed class LoadTarget : IAsyncDisposable
{
    private readonly TestServer[] _servers;
    private readonly PostgresServer? _database;
    private readonly int _cross;

    private LoadTarget(TestServer[] servers, PostgresServer? database, int cross)
    {
        (_servers, _database, _cross) = (servers, database, cross);
        Servers = new ProcessStats([.. servers.Select(s => s.Process!.Id)]);
        Database = database is null ? null : new ProcessStats([database.ProcessId!.Value]);
    }

    /// <summary>The processes of the servers.</summary>
    public ProcessStats Servers { get; }

    /// <summary>The processes of the database, where it is not in the server.</summary>
    public ProcessStats? Database { get; }

    public string Domain => _servers[0].Domain;

    /// <summary>Starts what the options ask for.</summary>
    public static async Task<LoadTarget> Start(LoadOptions options)
    {
        if (options.Nodes == 0)
        {
            TestServer server = options.Server switch
            {
                "indaba" => await ServerProcess.StartNew(options.ServerArguments),
                "prosody" => await ProsodyProcess.StartNew(options.ServerArguments),
                _ => throw new FormatException($"unknown server {options.Server}"),
            };
            return new LoadTarget([server], null, 0);
        }
        if (PostgresServer.Binaries is null) throw new FormatException(PostgresServer.Missing);
        var database = await PostgresServer.StartNew(maxConnections: 300);
        var nodes = await Task.WhenAll(Enumerable.Range(0, options.Nodes).Select(_ =>
            ServerProcess.StartNew([.. options.ServerArguments, "--set", $"database.postgreSql={database.ConnectionString}"])));
        return new LoadTarget([.. nodes], database, options.Cross);
    }

    /// <summary>Where an account connects: senders (<c>s7</c>) and others in turn, the receiver (<c>r7</c>) of a pair at its sender's node or, for so many of a hundred, at the next.</summary>
    public TestServer Of(string account)
    {
        var alive = _servers.Where(s => s.Process is not null).ToArray();
        if (!int.TryParse(account.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture, out var number)) return alive[^1];
        var crosses = account[0] == 'r' && number * 37 % 100 < _cross; // 37 and 100 have no common divisor: each share is met evenly
        return alive[(number + (crosses ? 1 : 0)) % alive.Length];
    }

    /// <summary>SIGKILL for the first node, where there is another one.</summary>
    public async Task<bool> KillFirst()
    {
        if (_servers.Length < 2) return false;
        await _servers[0].Kill();
        return true;
    }

    /// <summary>True for the accounts that connect to the first node.</summary>
    public bool IsAtFirst(string account) => Of(account) == _servers[0];

    /// <summary>Connections that the database has now, or 0 where it is in the server.</summary>
    public async Task<int> DatabaseConnections() =>
        _database is null ? 0 : int.Parse(await _database.Sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'indaba' AND application_name <> 'psql'"), System.Globalization.CultureInfo.InvariantCulture);

    public Task AddAccounts(IReadOnlyCollection<string> names) => _servers[0].AddAccounts(names);

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers) await server.DisposeAsync();
        if (_database is not null) await _database.DisposeAsync();
    }
}
