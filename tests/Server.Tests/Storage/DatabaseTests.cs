using Indaba.Server.Storage;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Indaba.Server.Tests.Storage;

public sealed class DatabaseTests
{
    [Fact]
    public async Task A_write_is_seen_by_the_next_read_and_after_opening_again()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        await data.Database.WriteAsync(c => c.Run("INSERT INTO log_state (name, value) VALUES ('x', 7)"), TestData.Cancel);
        Assert.Equal(7, await data.NumberAsync("SELECT value FROM log_state WHERE name = 'x'"));
        await data.ReopenAsync();
        Assert.Equal(7, await data.NumberAsync("SELECT value FROM log_state WHERE name = 'x'"));
    }

    [Fact]
    public async Task Jobs_that_wait_share_one_commit()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        Task<int>[] jobs;
        using var commits = data.Count("indaba.storage.commits");
        using (await data.HoldWriterAsync())
            jobs = [.. Enumerable.Range(0, 40).Select(i => data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES (@n, 1)", ("n", $"{i}")), TestData.Cancel))];
        await Task.WhenAll(jobs).WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal(40, await data.NumberAsync("SELECT count(*) FROM log_state"));
        Assert.Equal(2, commits.Sum); // the one that held the writer, and all the others
    }

    [Fact]
    public async Task A_job_that_fails_undoes_itself_and_nothing_else_of_its_batch()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        Task<int> before, broken, thrown, after;
        using (await data.HoldWriterAsync())
        {
            before = data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('before', 1)"), TestData.Cancel);
            broken = data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('half', 1)") + c.Run("INSERT INTO log_state VALUES ('before', 2)"), TestData.Cancel);
            thrown = data.Database.WriteAsync<int>(c => throw new InvalidOperationException($"{c.Run("INSERT INTO log_state VALUES ('thrown', 1)")}"), TestData.Cancel);
            after = data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('after', 1)"), TestData.Cancel);
        }
        Assert.Equal(1, await before.WaitAsync(TestData.Limit, TestData.Cancel));
        await Assert.ThrowsAsync<SqliteException>(() => broken);
        await Assert.ThrowsAsync<InvalidOperationException>(() => thrown);
        Assert.Equal(1, await after.WaitAsync(TestData.Limit, TestData.Cancel));
        Assert.Equal(["after", "before"], await data.Database.ReadAsync(c => c.Rows("SELECT name FROM log_state ORDER BY name", r => r.GetString(0)), TestData.Cancel));
    }

    [Fact]
    public async Task A_job_that_ends_the_transaction_by_itself_fails_its_batch_and_the_writer_goes_on()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        Task<bool> bad;
        Task<int> neighbour;
        using (await data.HoldWriterAsync())
        {
            neighbour = data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('neighbour', 1)"), TestData.Cancel);
            bad = data.Database.WriteAsync(c => { c.Run("ROLLBACK"); return true; }, TestData.Cancel);
        }
        await Assert.ThrowsAnyAsync<Exception>(() => bad.WaitAsync(TestData.Limit, TestData.Cancel));
        await Assert.ThrowsAnyAsync<Exception>(() => neighbour.WaitAsync(TestData.Limit, TestData.Cancel));
        Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM log_state"));
        Assert.Equal(1, await data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('later', 1)"), TestData.Cancel));
    }

    [Fact]
    public async Task A_cancelled_job_does_not_run()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        using var cancel = new CancellationTokenSource();
        Task<int> job;
        using (await data.HoldWriterAsync())
        {
            job = data.Database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES ('x', 1)"), cancel.Token);
            await cancel.CancelAsync();
        }
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => job.WaitAsync(TestData.Limit, TestData.Cancel));
        Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM log_state"));
    }

    [Fact]
    public async Task Closing_commits_what_is_queued_and_refuses_what_comes_later()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        var database = data.Database;
        await data.Log.DisposeAsync();
        Task<int>[] jobs;
        Task closing;
        using (await data.HoldWriterAsync())
        {
            jobs = [.. Enumerable.Range(0, 200).Select(i => database.WriteAsync(c => c.Run("INSERT INTO log_state VALUES (@n, 1)", ("n", $"{i}")), TestData.Cancel))];
            closing = database.DisposeAsync().AsTask();
        }
        await closing.WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.All(jobs, job => Assert.True(job.IsCompletedSuccessfully));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => database.WriteAsync(_ => 1, TestData.Cancel).WaitAsync(TestData.Limit, TestData.Cancel));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => database.ReadAsync(_ => 1, TestData.Cancel).WaitAsync(TestData.Limit, TestData.Cancel));
    }

    [Fact]
    public async Task Readers_cannot_write_and_an_error_of_one_leaves_the_pool_whole()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        for (var i = 0; i < 20; i++)
            await Assert.ThrowsAsync<SqliteException>(() => data.Database.ReadAsync(c => c.Run("INSERT INTO log_state VALUES ('x', 1)"), TestData.Cancel));
        Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM log_state"));
    }

    [Fact]
    public async Task A_thread_that_is_not_of_the_pool_is_not_used_for_reading()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        var cancel = TestData.Cancel;
        var threads = new TaskCompletionSource<(int Caller, Task<int> Query)>();
        new Thread(() => threads.SetResult((Environment.CurrentManagedThreadId, data.Database.ReadAsync(_ => Environment.CurrentManagedThreadId, cancel)))).Start();
        var (caller, query) = await threads.Task.WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.NotEqual(caller, await query.WaitAsync(TestData.Limit, TestData.Cancel));
    }

    [Fact]
    public async Task Only_so_many_queries_run_at_a_time_and_all_get_their_turn()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        var (running, most) = (0, 0);
        var gate = new Lock();
        await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(() => data.Database.ReadAsync(c =>
        {
            lock (gate) most = Math.Max(most, ++running);
            var sum = c.Number("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT sum(i) FROM n");
            lock (gate) running--;
            return sum;
        }), TestData.Cancel))).WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.InRange(most, 1, 4);
    }

    [Fact]
    public async Task A_second_server_on_the_same_data_is_refused_with_a_sentence()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        var error = await Assert.ThrowsAsync<StorageException>(() => SqliteDatabase.OpenAsync(data.File, data.Time, NullLoggerFactory.Instance, TestData.Cancel));
        Assert.Contains("in use by another running server", error.Message, StringComparison.Ordinal);
        await data.ReopenAsync(); // and the refusal has not broken the lock of the first
    }

    [Fact]
    public async Task A_second_process_on_the_same_data_is_refused_until_the_first_is_gone()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        await using (var refused = Child.Start(nameof(Child.Opens_the_data), data.File))
            Assert.Contains("in use by another running server", await refused.ReadAsync(), StringComparison.Ordinal);
        await data.CloseAsync();
        await using (var opened = Child.Start(nameof(Child.Opens_the_data), data.File))
        {
            Assert.Equal("open", await opened.ReadAsync());
            var error = await Assert.ThrowsAsync<StorageException>(data.OpenAsync);
            Assert.Contains("in use by another running server", error.Message, StringComparison.Ordinal);
            await opened.KillAsync();
        }
        await data.OpenAsync();
    }

    [Fact]
    public async Task A_newer_schema_is_refused_with_a_sentence_and_left_alone()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        await data.CloseAsync();
        using (var connection = SqliteFile.OpenWriter(data.File)) SqliteFile.WriteVersion(connection, Migrations.Latest + 1);
        var error = await Assert.ThrowsAsync<StorageException>(data.OpenAsync);
        Assert.Contains("newer Indaba", error.Message, StringComparison.Ordinal);
        using (var connection = SqliteFile.OpenWriter(data.File))
        {
            Assert.Equal(Migrations.Latest + 1, SqliteFile.ReadVersion(connection));
            SqliteFile.WriteVersion(connection, Migrations.Latest);
        }
        await data.OpenAsync();
    }

    [Fact]
    public async Task What_is_no_database_is_refused_with_a_sentence()
    {
        await using var data = TestData.Closed(Store.Sqlite);
        await File.WriteAllTextAsync(data.File, new string('?', 5000), TestData.Cancel);
        var error = await Assert.ThrowsAsync<StorageException>(data.OpenAsync);
        Assert.Contains("cannot be used", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_else_may_read_the_file()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("no modes there");
            return;
        }
        await using var data = await TestData.NewAsync(Store.Sqlite);
        await data.NewAccountAsync();
        foreach (var file in Directory.GetFiles(Path.GetDirectoryName(data.File)!))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task The_write_ahead_log_is_moved_into_the_file_while_writing_goes_on()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        await data.Database.WriteAsync(c => c.Run("CREATE TABLE big (id INTEGER PRIMARY KEY, value BLOB)"), TestData.Cancel);
        for (var i = 0; i < 60; i++) // 240 MB in all; the log is moved at 64
            await data.Database.WriteAsync(c => c.Run("INSERT INTO big (value) VALUES (zeroblob(4000000))") + c.Run("DELETE FROM big WHERE id < (SELECT max(id) FROM big)"), TestData.Cancel);
        Assert.InRange(new FileInfo(data.File + "-wal").Length, 1, 200_000_000);
    }
}
