using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

public sealed class SqliteRetentionTests() : RetentionTests(Store.Sqlite);

public sealed class PostgresRetentionTests() : RetentionTests(Store.Postgres);

public abstract class RetentionTests(Store store) : StoreTests(store)
{
    [Theory]
    [InlineData(null)]
    [InlineData(1L)]
    public async Task Old_entries_go_in_slices_and_pending_ones_stay(long? account)
    {
        await using var data = await NewAsync();
        await data.Log.AppendAllAsync(Enumerable.Range(1, 100).Select(i => Entries.New(1, i, flags: i % 2 == 0 ? EntryFlags.Archived : EntryFlags.Archived | EntryFlags.Pending, at: 1000 + i)));
        data.Log.Cursors.Move(1, "phone", "", 40);
        data.Log.Cursors.Move(1, "laptop", "", 30);
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        var slices = await TrimAsync(data, account, 1081, 7, false);
        Assert.All(slices, slice => Assert.InRange(slice, 1, 7));
        // Up to 80: those acked by some device (to 40), above that those that were never pending (the even ones).
        Assert.Equal(Enumerable.Range(1, 100).Where(i => i > 80 || i > 40 && i % 2 == 1).Select(i => (long)i), await SeqsAsync(data));
        await TrimAsync(data, account, 1081, 7, true);
        Assert.Equal(Enumerable.Range(81, 20).Select(i => (long)i), await SeqsAsync(data));
        if (!IsPostgres) Assert.Equal(20, await data.NumberAsync("SELECT count(*) FROM log_index") + await data.NumberAsync("SELECT count(*) FROM peer_index") - await data.NumberAsync("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task One_account_is_trimmed_and_the_others_are_not()
    {
        await using var data = await NewAsync();
        await data.Log.AppendAllAsync(Enumerable.Range(1, 20).Select(i => Entries.New(1 + i % 2, i, flags: EntryFlags.Archived)));
        await TrimAsync(data, 1, long.MaxValue, 100, false);
        Assert.Empty(await SeqsAsync(data));
        Assert.Equal(10, (await data.Log.ReadAsync(2, 0, 99, 99, TestData.Cancel)).Count);
    }

    [Fact]
    public async Task Numbers_go_on_after_everything_was_trimmed_away()
    {
        await using var data = await NewAsync();
        await data.Log.AppendAllAsync(Enumerable.Range(1, 20).Select(i => Entries.New(1, i)));
        await TrimAsync(data, null, long.MaxValue, 8, true);
        Assert.Empty(await SeqsAsync(data));
        await data.ReopenAsync();
        Assert.Equal(20, await data.Log.LastSeqAsync(1, TestData.Cancel));
        await Assert.ThrowsAsync<FencedException>(() => data.Log.AppendAsync(Entries.New(1, 20)));
        await data.Log.AppendAsync(Entries.New(1, 21));
        Assert.Equal([21L], await SeqsAsync(data));
        await data.ReopenAsync();
        Assert.Equal([21L], await SeqsAsync(data));
    }

    [Fact]
    public async Task An_entry_out_of_its_time_is_judged_by_its_own()
    {
        await using var data = await NewAsync();
        long[] times = [5000, 100, 6000, 200, 7000];
        await data.Log.AppendAllAsync(times.Select((at, i) => Entries.New(1, i + 1, flags: EntryFlags.Archived, at: at)));
        await TrimAsync(data, 1, 5500, 2, false);
        Assert.Equal([3L, 5], await SeqsAsync(data));
    }

    [Fact]
    public async Task A_created_again_account_inherits_nothing()
    {
        await using var data = await NewAsync();
        var id = await data.NewAccountAsync();
        var before = (await data.Accounts.FindAsync("juliet", "example.org", TestData.Cancel))!;
        await FillAsync(data, id);
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        await data.Log.AppendAsync(Entries.New(id, 2000));
        var tables = await TablesOfAccountsAsync(data);
        Assert.True(tables.Count >= 12);
        foreach (var (table, column) in tables.Where(t => t.Table is not ("log_purge" or "log_trimmed" or "log_head")))
            Assert.True(await data.NumberAsync($"SELECT count(*) FROM {table} WHERE {column} = {id}") > 0, $"the test puts nothing into {table}");

        Assert.True(await data.Accounts.DeleteAsync(id, TestData.Cancel));
        Assert.False(await data.Accounts.DeleteAsync(id, TestData.Cancel));
        var again = await data.NewAccountAsync();
        Assert.NotEqual(id, again);
        Assert.NotEqual(before.Tag, (await data.Accounts.FindByIdAsync(again, TestData.Cancel))!.Tag);
        Assert.Null(await data.Accounts.FindByIdAsync(id, TestData.Cancel));
        Assert.Null(await data.Accounts.FindByTagAsync(before.Tag, TestData.Cancel));
        Assert.True(await data.Log.PurgeDeletedAsync(TestData.Cancel) >= 1);
        foreach (var (table, column) in tables.Where(t => t.Table is not ("log_purge" or "log_head")))
            foreach (var account in new[] { id, again })
                Assert.True(await data.NumberAsync($"SELECT count(*) FROM {table} WHERE {column} = {account}") == 0, $"{table} still has rows of {account}");
        Assert.Equal(0, await data.Log.LastSeqAsync(again, TestData.Cancel));

        if (IsPostgres)
        {
            await Assert.ThrowsAsync<FencedException>(() => data.Log.AppendAsync(Entries.New(id, 2001))); // nobody has the log any more
            await PostgresFixture.ExecuteAsync(data.Place, $"INSERT INTO log_head VALUES ({id}, 0, 0, 0, 0)");
        }
        // An append that was on its way goes with the next round, and then nothing is left to do.
        await data.Log.AppendAsync(Entries.New(id, 2001));
        data.Time.Advance(TimeSpan.FromHours(2));
        Assert.Equal(1, await data.Log.PurgeDeletedAsync(TestData.Cancel));
        Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM log_purge"));
    }

    [Fact]
    public async Task The_log_of_a_deleted_account_goes_at_the_next_start()
    {
        await using var data = await NewAsync();
        var id = await data.NewAccountAsync();
        await data.Log.AppendAllAsync(Enumerable.Range(1, 700).Select(i => Entries.New(id, i)));
        await data.Accounts.DeleteAsync(id, TestData.Cancel);
        await data.ReopenAsync();
        using var limit = new CancellationTokenSource(TestData.Limit);
        while (await data.NumberAsync("SELECT count(*) FROM log") > 0) await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, limit.Token);
    }

    private static async Task FillAsync(TestData data, long id)
    {
        var (now, later) = (data.Time.GetUtcNow(), data.Time.GetUtcNow().AddDays(1));
        await data.Accounts.SetPasswordAsync(id, [new Credential("SCRAM-SHA-256", [1], 10_000, [2], [3])], TestData.Cancel);
        await new RosterStore(data.Database).UpsertAsync(id, new RosterItem("romeo@example.net", null, Subscription.Both, false, null, false, []), TestData.Cancel);
        await new DataStore(data.Database).SetAsync(id, "private", "bookmarks", [1], TestData.Cancel);
        await new InvitationStore(data.Database).CreateAsync(new Invitation("token", "contact", id, now, later, 1, 0, Role.User, null), TestData.Cancel);
        await new TokenStore(data.Database).IssueAsync(new FastToken(id, "phone", TokenSlot.New, "HT-SHA-256-NONE", "secret", now, later), TestData.Cancel);
        await new DeviceStore(data.Database).SeenAsync(id, "phone", "Phone", "Indaba", "r", TestData.Cancel);
        data.Log.Cursors.Move(id, "phone", "", 7);
        data.Log.Conversations.Delivered(id, "romeo@example.net", 7, 1);
        data.Log.Resumptions.Note("session", id, 7);
        await data.Log.AppendAllAsync(Enumerable.Range(1, 1000).Select(i => Entries.New(id, i, size: 1)));
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
    }

    /// <summary>Every table with a column that names an account: a new one is held to this test by itself.</summary>
    private Task<List<(string Table, string Column)>> TablesOfAccountsAsync(TestData data) => data.Database.ReadAsync(c => c.Rows(
        IsPostgres ? "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name IN ('account', 'created_by') ORDER BY 1" :
        "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND p.name IN ('account', 'created_by') ORDER BY 1",
        r => (r.GetString(0), r.GetString(1))), TestData.Cancel);

    private static async Task<List<int>> TrimAsync(TestData data, long? account, long olderThan, int maxRows, bool evenPending)
    {
        var slices = new List<int>();
        while (await data.Log.TrimAsync(account, olderThan, maxRows, evenPending, TestData.Cancel) is > 0 and var removed) slices.Add(removed);
        return slices;
    }

    private static async Task<IEnumerable<long>> SeqsAsync(TestData data) => (await data.Log.ReadAsync(1, 0, long.MaxValue, 1000, TestData.Cancel)).Select(e => e.Seq);
}
