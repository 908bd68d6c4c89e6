using Indaba.Cluster;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Mailbox;
using Npgsql;
using Xunit;

namespace Indaba.Server.Tests.Storage;

public sealed class PostgresDatabaseTests
{
    [Fact]
    public async Task Ten_nodes_start_at_once_on_an_empty_database()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        var nodes = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => PostgresNode.StartAsync(place)));
        Assert.Equal(10, nodes.Select(node => node.Database.Connector.NodeKey).Distinct().Count());
        Assert.Equal(Migrations.Latest, await nodes[3].NumberAsync("SELECT version FROM schema_version"));
        Assert.Equal(1, await nodes[3].NumberAsync("SELECT count(*) FROM schema_version"));
        foreach (var node in nodes) await node.DisposeAsync();
    }

    [Fact]
    public async Task A_newer_schema_is_refused_with_a_sentence()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        await (await PostgresNode.StartAsync(place)).DisposeAsync();
        await PostgresFixture.ExecuteAsync(place, $"UPDATE schema_version SET version = {Migrations.Latest + 1}");
        var error = await Assert.ThrowsAsync<StorageException>(() => PostgresNode.StartAsync(place));
        Assert.Contains("newer Indaba", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_used_is_refused_with_a_sentence_that_keeps_the_password()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        var text = new NpgsqlConnectionStringBuilder(place);
        var wrong = new NpgsqlConnectionStringBuilder(place) { Password = "not-the-password" }.ConnectionString;
        foreach (var (given, expected) in new[]
        {
            (wrong, "cannot be used: password authentication failed"),
            (new NpgsqlConnectionStringBuilder(place) { Database = "missing" }.ConnectionString, "cannot be used: database \"missing\" does not exist"),
            ("Host=a;Nonsense=1", "no connection string"), ("Database=x", "names no server"),
        })
        {
            var error = await Assert.ThrowsAsync<StorageException>(() => PostgresNode.StartAsync(given));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("not-the-password", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(text.Password!, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_commit_waits_for_the_disk_whatever_the_server_s_default_is()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        var text = new NpgsqlConnectionStringBuilder(place);
        await PostgresFixture.ExecuteAsync(place, $"ALTER DATABASE {text.Database} SET synchronous_commit = off");
        await PostgresFixture.ExecuteAsync(place, $"ALTER DATABASE {text.Database} SET default_transaction_isolation = serializable");
        await using var node = await PostgresNode.StartAsync(place);
        foreach (var kind in Enum.GetValues<ConnectionKind>())
        {
            using var connection = node.Database.Connector.Open(kind);
            Assert.Equal("on", Ask(connection, "SHOW synchronous_commit"));
            Assert.Equal("read committed", Ask(connection, "SHOW default_transaction_isolation"));
        }

        static object? Ask(NpgsqlConnection connection, string sql)
        {
            using var command = new NpgsqlCommand(sql, connection);
            return command.ExecuteScalar();
        }
    }

    [Fact]
    public async Task Readers_cannot_write_and_see_one_snapshot()
    {
        await using var data = await TestData.NewAsync(Store.Postgres);
        for (var i = 0; i < 20; i++)
            await Assert.ThrowsAsync<PostgresException>(() => data.Database.ReadAsync(c => c.Run("INSERT INTO log_state VALUES ('x', 1)"), TestData.Cancel));
        var between = new TaskCompletionSource();
        var going = new TaskCompletionSource();
        var read = data.Database.ReadAsync(c =>
        {
            var before = c.Number("SELECT count(*) FROM log_state");
            going.SetResult();
            between.Task.GetAwaiter().GetResult();
            return (before, after: c.Number("SELECT count(*) FROM log_state"));
        }, TestData.Cancel);
        await going.Task.WaitAsync(TestData.Limit, TestData.Cancel);
        await data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('x', 1)"), TestData.Cancel);
        between.SetResult();
        Assert.Equal((0, 0), await read);
        Assert.Equal(1, await data.NumberAsync("SELECT count(*) FROM log_state"));
    }

    [Fact]
    public async Task Jobs_run_as_if_alone()
    {
        await using var data = await TestData.NewAsync(Store.Postgres);
        using var retries = data.Count("indaba.storage.job.retries");
        await data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('x', 0)"), TestData.Cancel);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => data.Database.WriteAsync(c =>
        {
            var value = c.Number("SELECT value FROM log_state WHERE name = 'x'");
            return c.Run("UPDATE log_state SET value = @value WHERE name = 'x'", ("value", value + 1));
        }, TestData.Cancel))).WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal(200, await data.NumberAsync("SELECT value FROM log_state"));
        Assert.True(retries.Sum > 0, "they never met");
        await Assert.ThrowsAsync<InvalidOperationException>(() => data.Database.WriteAsync<int>(c => throw new InvalidOperationException($"{c.Run("UPDATE log_state SET value = 9")}"), TestData.Cancel));
        await Assert.ThrowsAsync<PostgresException>(() => data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('x', 0)"), TestData.Cancel));
        Assert.Equal(200, await data.NumberAsync("SELECT value FROM log_state"));
    }

    [Fact]
    public async Task Questions_that_wait_do_not_hold_the_threads_of_others()
    {
        await using var data = await TestData.NewAsync(Store.Postgres);
        await using var hold = new NpgsqlConnection(data.Place + ";Pooling=false");
        await hold.OpenAsync(TestData.Cancel);
        await using var transaction = await hold.BeginTransactionAsync(TestData.Cancel);
        await using (var locking = new NpgsqlCommand("LOCK TABLE log_state", hold)) await locking.ExecuteNonQueryAsync(TestData.Cancel);
        var questions = Enumerable.Range(0, 500).Select(_ => data.Database.ReadAsync(c => c.Number("SELECT count(*) FROM log_state"), TestData.Cancel)).ToList();
        for (var i = 0; i < 200; i++) await Task.Run(() => i, TestData.Cancel).WaitAsync(TimeSpan.FromSeconds(10), TestData.Cancel);
        Assert.DoesNotContain(questions, question => question.IsCompleted);
        await transaction.RollbackAsync(TestData.Cancel);
        Assert.All(await Task.WhenAll(questions).WaitAsync(TestData.Limit, TestData.Cancel), count => Assert.Equal(0, count));
    }
}
