using Indaba.Server.Mailbox;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

public sealed class SqliteReadTests() : ReadTests(Store.Sqlite);

public sealed class PostgresReadTests() : ReadTests(Store.Postgres);

/// <summary>Each reading is done of the tail, of a mixture, and of the indexes.</summary>
public abstract class ReadTests(Store store) : StoreTests(store)
{
    [Fact]
    public async Task Pending_are_the_incoming_ones_marked_so_above_a_number()
    {
        await using var data = await NewAsync();
        await InAllStatesAsync(data, async () =>
        {
            var all = await data.Log.ReadPendingAsync(1, 0, 100, TestData.Cancel);
            Assert.Equal(Laid.Where(e => e.Direction == Direction.In && e.Flags.HasFlag(EntryFlags.Pending)).Select(e => e.Seq), all.Select(e => e.Seq));
            Assert.Equal(all.Where(e => e.Seq > 17).Take(3).Select(e => e.Seq), (await data.Log.ReadPendingAsync(1, 17, 3, TestData.Cancel)).Select(e => e.Seq));
            Assert.Empty(await data.Log.ReadPendingAsync(1, 40, 10, TestData.Cancel));
            Assert.Empty(await data.Log.ReadPendingAsync(9, 0, 10, TestData.Cancel));
        });
    }

    [Fact]
    public async Task A_range_is_bounded_on_both_sides_and_by_the_limit()
    {
        await using var data = await NewAsync();
        await InAllStatesAsync(data, async () =>
        {
            Assert.Equal([19L, 20, 21, 22], (await data.Log.ReadAsync(1, 19, 22, 10, TestData.Cancel)).Select(e => e.Seq));
            Assert.Equal([19L, 20], (await data.Log.ReadAsync(1, 19, 22, 2, TestData.Cancel)).Select(e => e.Seq));
            Assert.Equal(40, (await data.Log.ReadAsync(1, 0, long.MaxValue, 1000, TestData.Cancel)).Count);
        });
    }

    [Fact]
    public async Task The_last_keys_come_ascending()
    {
        await using var data = await NewAsync();
        await InAllStatesAsync(data, async () =>
        {
            var keys = await data.Log.TailKeysAsync(1, 25, TestData.Cancel);
            Assert.Equal(Laid.TakeLast(25).Select(e => new TailKey(e.Seq, e.Direction, e.Peer, e.Device, e.OriginId, e.MessageId)), keys);
            Assert.Equal(40, (await data.Log.TailKeysAsync(1, 100, TestData.Cancel)).Count);
            Assert.Empty(await data.Log.TailKeysAsync(9, 100, TestData.Cancel));
        });
    }

    [Fact]
    public async Task A_stanza_id_is_found_newest_first_with_its_peer_and_direction()
    {
        await using var data = await NewAsync();
        await InAllStatesAsync(data, async () =>
        {
            // id1 with peer1: 1 and 21 came in, 11 and 31 went out; what went out to peer1 last is 39, 35, 31.
            Assert.Equal(31, (await data.Log.FindByMessageIdAsync(1, "peer1@example.net", "id1", Direction.Out, 100, TestData.Cancel))?.Seq);
            Assert.Equal(21, (await data.Log.FindByMessageIdAsync(1, "peer1@example.net", "id1", Direction.In, 100, TestData.Cancel))?.Seq);
            Assert.Null(await data.Log.FindByMessageIdAsync(1, "peer0@example.net", "id1", Direction.Out, 100, TestData.Cancel));
            Assert.Equal(31, (await data.Log.FindByMessageIdAsync(1, "peer1@example.net", "id1", Direction.Out, 3, TestData.Cancel))?.Seq);
            Assert.Null(await data.Log.FindByMessageIdAsync(1, "peer1@example.net", "id1", Direction.Out, 2, TestData.Cancel));
            Assert.Null(await data.Log.FindByMessageIdAsync(2, "peer1@example.net", "id1", Direction.Out, 100, TestData.Cancel));
        });
    }

    [Fact]
    public async Task The_last_number_of_an_account_is_known()
    {
        await using var data = await NewAsync();
        Assert.Equal(0, await data.Log.LastSeqAsync(1, TestData.Cancel));
        await InAllStatesAsync(data, async () =>
        {
            Assert.Equal(40, await data.Log.LastSeqAsync(1, TestData.Cancel));
            Assert.Equal(0, await data.Log.LastSeqAsync(9, TestData.Cancel));
        });
    }

    private static readonly List<LogEntry> Laid = [.. Enumerable.Range(1, 40).Select(i =>
        Entries.New(1, i, i % 4 < 2 ? Direction.In : Direction.Out, (EntryFlags)(i / 3 % 4), peer: $"peer{i % 2}@example.net", id: $"id{i % 10}"))];

    private static async Task InAllStatesAsync(TestData data, Func<Task> check)
    {
        await data.Log.AppendAllAsync(Laid.Take(20).SelectMany(e => new[] { e, Entries.New(2, e.Seq, id: "other") }));
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        await data.Log.AppendAllAsync(Laid.Skip(20));
        await check();                                   // half and half
        await data.ReopenAsync();
        await check();                                   // the same, recovered
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        await check();                                   // all indexed, with memory of the account
        await data.ReopenAsync();
        await check();                                   // and without
    }
}
