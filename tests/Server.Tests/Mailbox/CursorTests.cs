using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

public sealed class SqliteCursorTests() : CursorTests(Store.Sqlite);

public sealed class PostgresCursorTests() : CursorTests(Store.Postgres);

public abstract class CursorTests(Store store) : StoreTests(store)
{
    [Fact]
    public async Task A_cursor_moves_forward_only_and_is_seen_at_once()
    {
        await using var data = await NewAsync();
        data.Log.Cursors.Move(1, "phone", "", 5);
        data.Log.Cursors.Move(1, "phone", "", 3);
        data.Log.Cursors.Move(1, "", "laptop", 7);
        Assert.Equal([("", "laptop", 7L), ("phone", "", 5)], await LoadAsync(data));
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        Assert.Equal([("", "laptop", 7L), ("phone", "", 5)], await LoadAsync(data));
        data.Log.Cursors.Move(1, "phone", "", 4);
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        data.Log.Cursors.Move(1, "phone", "", 9);
        Assert.Equal([("", "laptop", 7L), ("phone", "", 9)], await LoadAsync(data));
        await data.ReopenAsync(); // which writes the last one
        Assert.Equal([("", "laptop", 7L), ("phone", "", 9)], await LoadAsync(data));
    }

    [Fact]
    public async Task A_move_is_written_soon_although_nothing_else_is()
    {
        await using var data = await NewAsync();
        data.Log.Cursors.Move(1, "phone", "", 5);
        await UntilAsync(data, "SELECT acked_seq FROM cursor WHERE account = 1", 5);
        data.Log.Cursors.Move(1, "phone", "", 6); // and the clockwork goes on after the first
        await UntilAsync(data, "SELECT acked_seq FROM cursor WHERE account = 1", 6);
    }

    [Fact]
    public async Task Many_moves_of_many_accounts_all_arrive()
    {
        const int accounts = 3000;
        await using var data = await NewAsync();
        Parallel.For(1, accounts + 1, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = TestData.Cancel }, account =>
        {
            for (var seq = 1; seq <= 20; seq++) data.Log.Cursors.Move(account, "phone", "", seq * account);
        });
        await UntilAsync(data, "SELECT count(*) FROM cursor WHERE acked_seq = 20 * account", accounts);
    }

    [Fact]
    public async Task A_removed_cursor_is_gone_written_or_not()
    {
        await using var data = await NewAsync();
        data.Log.Cursors.Move(1, "phone", "", 5);
        Assert.True(await data.Log.Cursors.RemoveAsync(1, "phone", "", TestData.Cancel));
        Assert.Empty(await LoadAsync(data));
        data.Log.Cursors.Move(1, "phone", "", 2);
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        Assert.True(await data.Log.Cursors.RemoveAsync(1, "phone", "", TestData.Cancel));
        Assert.False(await data.Log.Cursors.RemoveAsync(1, "phone", "", TestData.Cancel));
        await data.ReopenAsync();
        Assert.Empty(await LoadAsync(data));
    }

    [Fact]
    public async Task An_account_keeps_only_so_many_the_last_moved_ones()
    {
        await using var data = await NewAsync();
        for (var i = 0; i < Cursors.MaxPerAccount + 20; i++)
        {
            data.Log.Cursors.Move(1, $"d{i}", "", 1);
            data.Time.Advance(TimeSpan.FromSeconds(1));
        }
        data.Log.Cursors.Move(2, "mine", "", 1);
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        var kept = await LoadAsync(data);
        Assert.Equal(Cursors.MaxPerAccount, kept.Count);
        Assert.Contains(("d147", "", 1L), kept);
        Assert.DoesNotContain(("d19", "", 1L), kept);
        Assert.Single(await data.Log.Cursors.LoadAsync(2, TestData.Cancel));
    }

    [Fact]
    public async Task Moves_of_a_failed_commit_are_not_lost()
    {
        OnlySqlite();
        await using var data = await NewAsync();
        Task flush, append;
        using (await data.HoldWriterAsync())
        {
            data.Log.Cursors.Move(1, "phone", "", 5);
            flush = data.Log.Cursors.FlushAsync(TestData.Cancel);
            append = data.Log.AppendAsync(Entries.New(1, 1));
            // A reference that is checked by the commit itself, after everything else went well.
            _ = data.Database.WriteAsync(c =>
            {
                data.Log.Conversations.Delivered(1, "romeo@example.net", 5, 1); // here, so that it goes with this batch and not with the one before
                return c.Run("PRAGMA defer_foreign_keys = ON") + c.Run("INSERT INTO credential VALUES (999, '', x'', 1, x'', x'')");
            }, TestData.Cancel);
        }
        await Assert.ThrowsAsync<Microsoft.Data.Sqlite.SqliteException>(() => flush.WaitAsync(TestData.Limit, TestData.Cancel));
        await Assert.ThrowsAsync<Microsoft.Data.Sqlite.SqliteException>(() => append);
        Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM log"));
        await data.Log.AppendAsync(Entries.New(1, 1)); // the number is free again
        await UntilAsync(data, "SELECT acked_seq FROM cursor WHERE account = 1", 5);
        await UntilAsync(data, "SELECT delivered_seq FROM conversation WHERE account = 1", 5);
    }

    [Fact]
    public async Task Ticks_never_move_back_and_their_times_are_those_of_the_move()
    {
        await using var data = await NewAsync();
        var ticks = data.Log.Conversations;
        Assert.Null(await ticks.FindAsync(1, "romeo@example.net", TestData.Cancel));
        ticks.Delivered(1, "romeo@example.net", 5, 100);
        ticks.Delivered(1, "romeo@example.net", 4, 200);
        Assert.Equal(new Conversation("romeo@example.net", 5, 100, 0, 0), await ticks.FindAsync(1, "romeo@example.net", TestData.Cancel));
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        ticks.Displayed(1, "romeo@example.net", 3, 300);
        Assert.Equal(new Conversation("romeo@example.net", 5, 100, 3, 300), await ticks.FindAsync(1, "romeo@example.net", TestData.Cancel));
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        ticks.Displayed(1, "romeo@example.net", 9, 400);
        ticks.Displayed(1, "romeo@example.net", 2, 500);
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        ticks.Delivered(1, "romeo@example.net", 8, 600);
        await data.ReopenAsync();
        Assert.Equal(new Conversation("romeo@example.net", 9, 400, 9, 400), await data.Log.Conversations.FindAsync(1, "romeo@example.net", TestData.Cancel));
    }

    [Fact]
    public async Task Ticks_moved_before_an_append_are_on_disk_when_it_is_committed()
    {
        await using var data = await NewAsync();
        for (var seq = 1L; seq <= 50; seq++)
        {
            data.Log.Conversations.Delivered(1, "romeo@example.net", seq, seq);
            await data.Log.AppendAsync(Entries.New(1, seq));
            Assert.Equal(seq, await data.NumberAsync("SELECT delivered_seq FROM conversation"));
        }
    }

    [Fact]
    public async Task Conversations_come_in_pages()
    {
        await using var data = await NewAsync();
        for (var i = 0; i < 25; i++) data.Log.Conversations.Delivered(1, $"p{i:00}@example.net", 1, 1);
        data.Log.Conversations.Delivered(2, "p99@example.net", 1, 1);
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        var all = new List<string>();
        while (await data.Log.Conversations.ListAsync(1, 10, all.LastOrDefault(), TestData.Cancel) is { Count: > 0 } page) all.AddRange(page.Select(c => c.Peer));
        Assert.Equal(Enumerable.Range(0, 25).Select(i => $"p{i:00}@example.net"), all);
    }

    private static async Task<List<(string Device, string Resource, long Seq)>> LoadAsync(TestData data) =>
        [.. (await data.Log.Cursors.LoadAsync(1, TestData.Cancel)).Select(c => (c.Device, c.Resource, c.AckedSeq)).Order()];

    private static async Task UntilAsync(TestData data, string sql, long value)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestData.Cancel);
        limit.CancelAfter(TestData.Limit);
        while (await data.NumberAsync(sql) != value) await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, limit.Token);
    }
}
