using System.Net;
using Indaba.Cluster;
using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Npgsql;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

/// <summary>PostgreSQL is killed, frozen, full: acks wait, and nothing is lost, doubled or failed. Each test has a server of its own.</summary>
public sealed class OutageTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);
    private PostgresServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        PostgresFixture.Require();
        _server = await PostgresServer.StartNew(maxConnections: 30);
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task What_was_reported_survives_kill_9_of_PostgreSQL_and_nothing_is_doubled()
    {
        await using var node = await PostgresNode.StartAsync(_server.ConnectionString);
        await using var load = await Load.StartAsync(node);
        for (var round = 0; round < 3; round++)
        {
            await load.AdvanceAsync(500);
            await _server.Kill();
            var question = node.NumberAsync("SELECT count(*) FROM log"); // asked while it is down
            await _server.Start();
            Assert.True(await question.WaitAsync(Limit, TestData.Cancel) >= load.Committed / 2);
        }
        await load.AdvanceAsync(500);
        await load.EndAsync();
        await load.CheckAsync();
    }

    [Fact]
    public async Task A_frozen_PostgreSQL_makes_everything_wait_and_a_lost_batch_is_found_again()
    {
        await using var node = await PostgresNode.StartAsync(_server.ConnectionString, commandSeconds: 2);
        await using var load = await Load.StartAsync(node);
        for (var round = 0; round < 3; round++)
        {
            await load.AdvanceAsync(300);
            _server.Freeze();
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestData.Cancel);
            var question = node.Database.ReadAsync(connection => connection.Number("SELECT 1"), patience.Token);
            var asked = node.Database.ReadAsync(connection => connection.Number("SELECT 1"), TestData.Cancel);
            await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, TestData.Cancel); // longer than a statement may take, so connections are given up
            Assert.True(node.Log.OldestWaiting > TimeSpan.FromSeconds(2));
            await patience.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => question.WaitAsync(TimeSpan.FromSeconds(1), TestData.Cancel));
            _server.Thaw();
            Assert.Equal(1, await asked.WaitAsync(Limit, TestData.Cancel));
        }
        await load.AdvanceAsync(300);
        await load.EndAsync();
        await load.CheckAsync();
    }

    [Fact]
    public async Task Without_a_free_connection_things_wait_at_the_start_and_later()
    {
        var hogs = await HogAsync();
        var starting = PostgresNode.StartAsync(_server.ConnectionString);
        await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, TestData.Cancel);
        Assert.False(starting.IsCompleted);
        await FreeAsync(hogs);
        await using var node = await starting.WaitAsync(Limit, TestData.Cancel);
        await using var load = await Load.StartAsync(node);
        await load.AdvanceAsync(300);
        await _server.Sql("ALTER DATABASE indaba CONNECTION LIMIT 0", "postgres"); // the same error, and nobody gets in between
        await _server.Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'indaba-%'", "postgres");
        var question = node.NumberAsync("SELECT count(*) FROM log");
        using (var limit = new CancellationTokenSource(Limit))
            while (node.Log.OldestWaiting < TimeSpan.FromMilliseconds(500)) await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, limit.Token);
        Assert.False(question.IsCompleted);
        await _server.Sql("ALTER DATABASE indaba CONNECTION LIMIT -1", "postgres");
        Assert.True(await question.WaitAsync(Limit, TestData.Cancel) >= 300);
        await load.AdvanceAsync(300);
        await load.EndAsync();
        await load.CheckAsync();
    }

    [Fact]
    public async Task A_commit_whose_answer_is_lost_is_neither_failed_nor_done_twice()
    {
        await using var proxy = new CuttingProxy(new IPEndPoint(_server.Address, _server.Port));
        var text = new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Port = proxy.Port }.ConnectionString;
        await using var node = await PostgresNode.StartAsync(text);
        var head = await node.ClaimAsync(1);
        Assert.True(await PostgresNode.IsCommittedAsync(node.Append(1, 1, head.Epoch)));
        for (var seq = 2; seq < 12; seq++)
        {
            proxy.CutAfter(0);
            Assert.True(await PostgresNode.IsCommittedAsync(node.Append(1, seq, head.Epoch)));
            Assert.Equal(seq - 1, proxy.Cuts);
        }
        Assert.Equal(Enumerable.Range(1, 11).Select(i => (long)i), await node.SeqsAsync(1));

        var accounts = new AccountStore(node.Database);
        Assert.NotNull(await accounts.CreateAsync("warm", "example.org", Role.User, [], TestData.Cancel));
        var cuts = proxy.Cuts;
        for (var answers = 0; answers < 12; answers++)
        {
            proxy.CutAfter(answers); // some meet a question within the job, one its mark, one its commit
            var account = await accounts.CreateAsync($"user{answers}", "example.org", Role.User, [], TestData.Cancel).WaitAsync(Limit, TestData.Cancel);
            Assert.NotNull(account); // not "the name is taken", by itself
            Assert.Equal(account, await accounts.FindByIdAsync(account.Id, TestData.Cancel).WaitAsync(Limit, TestData.Cancel));
        }
        proxy.CutAfter(int.MaxValue);
        Assert.True(proxy.Cuts > cuts + 5);
        Assert.Equal(13, await accounts.CountAsync(TestData.Cancel));
    }

    [Fact]
    public async Task Closing_while_PostgreSQL_is_down_ends_and_says_that_nothing_was_written()
    {
        var node = await PostgresNode.StartAsync(_server.ConnectionString);
        var head = await node.ClaimAsync(1);
        await _server.Kill();
        var append = node.Append(1, 1, head.Epoch);
        await node.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestData.Cancel);
        await Assert.ThrowsAnyAsync<Exception>(() => append.Done.WaitAsync(Limit, TestData.Cancel));
    }

    private async Task<List<NpgsqlConnection>> HogAsync()
    {
        var hogs = new List<NpgsqlConnection>();
        try
        {
            while (true)
            {
                var hog = new NpgsqlConnection(_server.ConnectionString + ";Pooling=false");
                await hog.OpenAsync(TestData.Cancel);
                hogs.Add(hog);
            }
        }
        catch (PostgresException error) when (error.SqlState is "53300")
        {
            return hogs;
        }
    }

    private static async Task FreeAsync(List<NpgsqlConnection> hogs)
    {
        foreach (var hog in hogs) await hog.DisposeAsync();
    }

    /// <summary>Sixteen accounts, each with some appends on their way at all times.</summary>
    private sealed class Load(PostgresNode node) : IAsyncDisposable
    {
        private const int Accounts = 16, Window = 20;
        private readonly long[] _committed = new long[Accounts + 1], _enqueued = new long[Accounts + 1], _epochs = new long[Accounts + 1];
        private readonly List<string> _faults = [];
        private readonly Lock _gate = new();
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _total, _under;
        private bool _ending;

        public long Committed => Interlocked.Read(ref _total);

        public static async Task<Load> StartAsync(PostgresNode node)
        {
            var load = new Load(node);
            for (var account = 1; account <= Accounts; account++) load._epochs[account] = (await node.ClaimAsync(account)).Epoch;
            for (var account = 1; account <= Accounts; account++)
                for (var i = 0; i < Window; i++) load.Next(account);
            return load;
        }

        public async Task AdvanceAsync(int more)
        {
            var target = Committed + more;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestData.Cancel);
            limit.CancelAfter(Limit);
            while (Committed < target) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, limit.Token);
        }

        public async Task EndAsync()
        {
            lock (_gate) _ending = true;
            await _ended.Task.WaitAsync(Limit, TestData.Cancel);
        }

        public async Task CheckAsync()
        {
            Assert.Empty(_faults);
            for (var account = 1; account <= Accounts; account++)
            {
                Assert.Equal(_enqueued[account], _committed[account]);
                Assert.Equal(Enumerable.Range(1, (int)_enqueued[account]).Select(i => (long)i), await node.SeqsAsync(account));
            }
        }

        private void Next(int account)
        {
            lock (_gate)
            {
                if (_ending)
                {
                    if (_under == 0) _ended.TrySetResult();
                    return;
                }
                _under++;
                var seq = ++_enqueued[account];
                node.Log.Enqueue(new TestAppend(Entries.New(account, seq, size: 100))
                {
                    Epoch = _epochs[account],
                    OnCommitted = () => End(account, seq, null),
                    OnFailed = () => End(account, seq, "failed"),
                });
            }
        }

        private void End(int account, long seq, string? fault)
        {
            lock (_gate)
            {
                _under--;
                if (fault is not null || _committed[account] != seq - 1) _faults.Add($"{account}-{seq}: {fault ?? $"after {_committed[account]}"}");
                _committed[account] = seq;
            }
            Interlocked.Increment(ref _total);
            Next(account);
        }

        public ValueTask DisposeAsync()
        {
            lock (_gate) _ending = true;
            return ValueTask.CompletedTask;
        }
    }
}
