using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

public sealed class LogIndexTests
{
    private const string Difference = """
        SELECT (SELECT count(*) FROM (SELECT account, seq, pos, flags | (direction << 3), at FROM log EXCEPT SELECT account, seq, pos, kind, at FROM log_index))
             + (SELECT count(*) FROM (SELECT account, seq, pos, kind, at FROM log_index EXCEPT SELECT account, seq, pos, flags | (direction << 3), at FROM log))
             + (SELECT count(*) FROM (SELECT account, peer, seq, pos, flags | (direction << 3), at FROM log EXCEPT SELECT account, peer, seq, pos, kind, at FROM peer_index))
             + (SELECT count(*) FROM (SELECT account, peer, seq, pos, kind, at FROM peer_index EXCEPT SELECT account, peer, seq, pos, flags | (direction << 3), at FROM log))
        """;

    [Fact]
    public async Task The_indexes_equal_the_log_once_they_have_caught_up()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        await data.Log.AppendAllAsync(Several(1, 2000));
        Assert.Equal(2000, data.Log.Unindexed);
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal(0, data.Log.Unindexed);
        Assert.Equal(0, await data.NumberAsync(Difference));
        Assert.Equal(2000, await data.NumberAsync("SELECT count(*) FROM log_index"));
    }

    [Fact]
    public async Task What_was_not_indexed_is_found_after_a_start_and_indexed_later()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        await data.Log.AppendAllAsync(Several(1, 500));
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        await data.Log.AppendAllAsync(Several(501, 300));
        await data.ReopenAsync();
        Assert.Equal(300, data.Log.Unindexed);
        await ExpectAsync(data, 800);
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal(0, await data.NumberAsync(Difference));
        await ExpectAsync(data, 800);
    }

    [Fact]
    public async Task A_pass_that_was_cut_short_is_done_again()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        await data.Log.AppendAllAsync(Several(1, 200));
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        await data.Log.AppendAllAsync(Several(201, 200).Select(e => Entries.New(e.Account, e.Seq, e.Direction, e.Flags, e.Peer, at: 500 + e.Seq))); // a clock set back, too
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        var lags = await LagsAsync(data);
        // As a crash leaves it: some accounts of the second pass are in, its end is not noted.
        await data.Database.WriteAsync(c => c.Run("UPDATE log_state SET value = 200 WHERE name = 'indexed_pos'")
            + c.Run("DELETE FROM log_index WHERE pos > 200 AND account > 3") + c.Run("DELETE FROM peer_index WHERE pos > 200 AND account > 2"), TestData.Cancel);
        await data.ReopenAsync();
        Assert.Equal(200, data.Log.Unindexed);
        await ExpectAsync(data, 400);
        await data.Log.AppendAsync(Entries.New(1, 1000));
        await Assert.ThrowsAsync<FencedException>(() => data.Log.AppendAsync(Entries.New(1, 1000)));
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal(0, await data.NumberAsync(Difference));
        Assert.Equal(lags, (await LagsAsync(data)).Take(lags.Count));
    }

    [Fact]
    public async Task Reading_is_right_while_passes_run()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestData.Cancel);
        var committed = 0L;
        var indexing = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested) await data.Log.IndexAllAsync();
        }, TestData.Cancel);
        var reading = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var least = Interlocked.Read(ref committed);
                var all = (await data.Log.ReadAsync(1, 0, long.MaxValue, int.MaxValue, TestData.Cancel)).Select(e => e.Seq).ToList();
                Assert.Equal(Enumerable.Range(1, all.Count).Select(i => (long)i), all);
                Assert.True(all.Count >= least, $"{all.Count} read, {least} were committed before");
                var page = await data.Log.QueryAsync(new ArchiveQuery(1) { FromEnd = true, Limit = 20, WantCount = true, With = "romeo@example.net" }, TestData.Cancel);
                Assert.True(page.Entries.Count == Math.Min(20, page.Entries.Count == 0 ? 0 : page.Entries[^1].Seq), "a hole at the end");
                Assert.Equal(page.Entries.Select((_, i) => page.Entries[0].Seq + i), page.Entries.Select(e => e.Seq));
                Assert.True(page.Count >= least);
            }
        }, TestData.Cancel);
        for (var seq = 1L; seq <= 4000; seq += 4)
        {
            await data.Log.AppendAllAsync([Entries.New(1, seq, size: 1), Entries.New(1, seq + 1, size: 1), Entries.New(1, seq + 2, size: 1), Entries.New(1, seq + 3, size: 1)]);
            Interlocked.Exchange(ref committed, seq + 3);
        }
        await stop.CancelAsync();
        await indexing.WaitAsync(TestData.Limit, TestData.Cancel);
        await reading.WaitAsync(TestData.Limit, TestData.Cancel);
    }

    [Fact]
    public async Task A_long_tail_is_indexed_though_nobody_asks()
    {
        await using var data = await TestData.NewAsync(Store.Sqlite);
        var seqs = new long[64];
        await data.Log.AppendAllAsync(Enumerable.Range(0, 40_000).Select(i => Entries.New(1 + i % 64, ++seqs[i % 64], size: 1)));
        using var wait = new CancellationTokenSource(TestData.Limit);
        while (data.Log.Unindexed > 20_000)
        {
            wait.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
        Assert.Equal(40_000, await data.NumberAsync("SELECT count(*) FROM log"));
    }

    private static IEnumerable<LogEntry> Several(int from, int count) => Enumerable.Range(from, count).Select(i =>
        Entries.New(1 + i % 5, i, (Direction)(i % 2), (EntryFlags)(i % 8), peer: $"peer{i % 7}@example.net", at: 10_000 + i));

    private static async Task ExpectAsync(TestData data, int entries)
    {
        var found = 0;
        for (var account = 1; account <= 5; account++)
        {
            var seqs = (await data.Log.ReadAsync(account, 0, long.MaxValue, int.MaxValue, TestData.Cancel)).Select(e => e.Seq).ToList();
            Assert.Equal(Enumerable.Range(1, entries).Where(i => 1 + i % 5 == account).Select(i => (long)i), seqs);
            Assert.Equal(seqs[^1], await data.Log.LastSeqAsync(account, TestData.Cancel));
            found += seqs.Count;
        }
        Assert.Equal(entries, found);
    }

    private static Task<List<long>> LagsAsync(TestData data) =>
        data.Database.ReadAsync(c => c.Rows("SELECT lag FROM log_index WHERE seq < 1000 ORDER BY pos", r => r.GetInt64(0)), TestData.Cancel);
}
