using Indaba.Cluster;
using Indaba.Server.Tests.Storage;
using Npgsql;
using Xunit;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

namespace Indaba.Server.Tests.Storage;

/// <summary>One PostgreSQL for all tests that break nothing; each of them has a database of its own in it. Started when the first one asks.</summary>
public sealed class PostgresFixture : IAsyncDisposable
{
    private static readonly Lazy<Task<PostgresServer>> Server = new(() => PostgresServer.StartNew(maxConnections: 400));
    private static int _databases;

    /// <summary>Skips the test when PostgreSQL is not installed; with CI=true that is a failure.</summary>
    public static void Require()
    {
        if (PostgresServer.Binaries is not null) return;
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(PostgresServer.Missing);
        Assert.Skip(PostgresServer.Missing);
    }

    /// <summary>A connection string to an empty database.</summary>
    public static async Task<string> NewDatabaseAsync()
    {
        Require();
        var server = await Server.Value;
        var name = $"t{Interlocked.Increment(ref _databases)}";
        await server.Sql($"CREATE DATABASE {name} OWNER {PostgresServer.Name}", "postgres");
        return server.Connection(name);
    }

    /// <summary>Runs a statement on a database.</summary>
    public static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Server.IsValueCreated) await (await Server.Value).DisposeAsync();
    }
}
