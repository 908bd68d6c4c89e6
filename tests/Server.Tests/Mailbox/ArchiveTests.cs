using CsCheck;
using Indaba.Server.Mailbox;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

public sealed class SqliteArchiveTests() : ArchiveTests(Store.Sqlite);

public sealed class PostgresArchiveTests() : ArchiveTests(Store.Postgres);

public abstract class ArchiveTests(Store store) : StoreTests(store)
{
    private static readonly string[] Peers = ["a@example.net", "b@example.net", "a@example.net2", "c"];
    private static readonly string?[] Resources = [null, "r1", "r2"];
    private static readonly string?[] Withs = [null, "a@example.net", "b@example.net", "c", "nobody@example.net", "a@example.net/r1", "b@example.net/r2", "c/r1"];

    private sealed record Row(int Peer, int Resource, bool Out, int Flags, int Step, int Gap, int Size);

    private sealed record Case(Row[] Rows, int IndexedAfter, bool IndexedAtEnd, ArchiveQuery[] Queries);

    // Steps of the clock: mostly forward a little, at times far forward or back, so that times do not follow numbers.
    private static readonly Gen<Row> GenRow = Gen.Select(
        Gen.Int[0, Peers.Length - 1], Gen.Int[0, Resources.Length - 1], Gen.Bool, Gen.Int[0, 7],
        Gen.Frequency((8, Gen.Int[0, 3]), (1, Gen.Int[-15, -1]), (1, Gen.Int[0, 25])), Gen.Select(Gen.Frequency((5, Gen.Const(1)), (1, Gen.Int[1, 4])), Gen.Int[0, 40]),
        (peer, resource, isOut, flags, step, rest) => new Row(peer, resource, isOut, flags, step, rest.Item1, rest.Item2));

    private static readonly Gen<ArchiveQuery> GenQuery = Gen.Select(
        Gen.OneOfConst(Withs), Maybe(-5, 90), Maybe(-5, 90), Gen.Select(Maybe(-2, 100), Maybe(-2, 100)),
        Gen.Frequency((6, Gen.Const((long[]?)null)), (1, Gen.Long[-1, 100].Array[0, 12].Select(a => (long[]?)a))),
        Gen.Select(Gen.Bool, Gen.Int[0, 12], Gen.Bool, Gen.Frequency((2, Gen.Const(long.MaxValue)), (1, Gen.Long[0, 150]))),
        (with, start, end, bounds, seqs, page) => new ArchiveQuery(0)
        {
            With = with, Start = start, End = end, AfterSeq = bounds.Item1, BeforeSeq = bounds.Item2, Seqs = seqs,
            FromEnd = page.Item1, Limit = page.Item2, WantCount = page.Item3, MaxBytes = page.Item4,
        });

    private static readonly Gen<Case> GenCase = Gen.Select(GenRow.Array[0, 60], Gen.Int[0, 60], Gen.Bool, GenQuery.Array[12],
        (rows, indexed, all, queries) => new Case(rows, indexed, all, queries));

    private static Gen<long?> Maybe(long from, long to) => Gen.Frequency((2, Gen.Const((long?)null)), (1, Gen.Long[from, to].Select(n => (long?)n)));

    [Fact]
    public async Task A_query_answers_as_a_plain_list_would()
    {
        await using var data = await NewAsync();
        var account = 0L;
        await GenCase.SampleAsync(async (Case sample) =>
        {
            account++; // its neighbours in the indexes are the cases before
            var entries = Lay(sample.Rows, account);
            await data.Log.AppendAllAsync(entries.Take(sample.IndexedAfter));
            await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
            await data.Log.AppendAllAsync(entries.Skip(sample.IndexedAfter));
            if (sample.IndexedAtEnd) await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
            foreach (var query in sample.Queries)
            {
                var (seqs, complete, count) = Expected(entries, query);
                var page = await data.Log.QueryAsync(query with { Account = account }, TestData.Cancel);
                Assert.Equal(seqs, page.Entries.Select(e => e.Seq));
                Assert.Equal(complete, page.Complete);
                Assert.Equal(count, page.Count);
            }
            var shown = entries.Where(e => e.Flags.HasFlag(EntryFlags.Archived)).ToList();
            var bounds = await data.Log.BoundsAsync(account, TestData.Cancel);
            Assert.Equal(shown.Count == 0 ? null : new ArchiveBounds(shown[0].Seq, shown[0].At, shown[^1].Seq, shown[^1].At), bounds);
        }, iter: 400, threads: 1);
    }

    [Fact]
    public async Task Pages_put_together_are_the_whole_from_both_ends()
    {
        await using var data = await NewAsync();
        // Most entries have nothing to do with the resource, so that searching for it takes several slices.
        var entries = Enumerable.Range(1, 10_000).Select(i => Entries.New(1, i, (Direction)(i % 2), target: i % 2 == 1 ? "other" : null, resource: i % 1000 == 0 ? "wanted" : "other", size: 1)).ToList();
        await data.Log.AppendAllAsync(entries);
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        foreach (var (with, expected) in new[] { ("romeo@example.net/wanted", 10), ("romeo@example.net", 10_000), (null, 10_000) })
        {
            foreach (var fromEnd in new[] { false, true })
            {
                var all = new List<long>();
                var query = new ArchiveQuery(1) { With = with, FromEnd = fromEnd, Limit = expected / 10 * 3 };
                while (true)
                {
                    var page = await data.Log.QueryAsync(query, TestData.Cancel);
                    if (fromEnd) all.InsertRange(0, page.Entries.Select(e => e.Seq));
                    else all.AddRange(page.Entries.Select(e => e.Seq));
                    if (page.Complete) break;
                    query = fromEnd ? query with { BeforeSeq = page.Entries[0].Seq } : query with { AfterSeq = page.Entries[^1].Seq };
                }
                Assert.Equal(expected, all.Count);
                Assert.Equal(all.Order().Distinct(), all);
            }
        }
    }

    [Fact]
    public async Task A_count_that_would_cost_too_much_is_left_out()
    {
        await using var data = await NewAsync();
        await data.Log.AppendAllAsync(Enumerable.Range(1, ArchiveReader.MaxCount).Select(i => Entries.New(1, i, size: 1)));
        Assert.Equal(ArchiveReader.MaxCount, (await data.Log.QueryAsync(new ArchiveQuery(1) { WantCount = true, Limit = 0 }, TestData.Cancel)).Count);
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal(ArchiveReader.MaxCount, (await data.Log.QueryAsync(new ArchiveQuery(1) { WantCount = true, Limit = 0 }, TestData.Cancel)).Count);
        await data.Log.AppendAsync(Entries.New(1, ArchiveReader.MaxCount + 1));
        Assert.Null((await data.Log.QueryAsync(new ArchiveQuery(1) { WantCount = true, Limit = 0 }, TestData.Cancel)).Count);
    }

    [Fact]
    public async Task Bounds_at_the_ends_of_the_numbers_do_no_harm()
    {
        await using var data = await NewAsync();
        await data.Log.AppendAllAsync([Entries.New(1, 1), Entries.New(1, 2)]);
        long[] extremes = [long.MinValue, -1, 0, long.MaxValue];
        foreach (var indexed in new[] { false, true })
        {
            if (indexed) await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
            foreach (var after in extremes)
            foreach (var before in extremes)
            foreach (var start in extremes)
            foreach (var end in extremes)
            {
                var page = await data.Log.QueryAsync(new ArchiveQuery(1) { AfterSeq = after, BeforeSeq = before, Start = start, End = end, Seqs = indexed ? null : extremes.Append(1).ToList() }, TestData.Cancel);
                var all = after < 1 && before > 2 && start < 1000 && end > 2_000_000;
                Assert.Equal(all ? indexed ? 2 : 1 : 0, page.Entries.Count);
            }
            Assert.Empty(await data.Log.ReadPendingAsync(1, long.MaxValue, 5, TestData.Cancel));
            Assert.Empty(await data.Log.ReadAsync(1, 5, 2, 5, TestData.Cancel));
        }
    }

    private static List<LogEntry> Lay(Row[] rows, long account)
    {
        var entries = new List<LogEntry>();
        long seq = 0, at = 20;
        foreach (var row in rows)
        {
            seq += row.Gap;
            at = Math.Max(0, at + row.Step);
            var resource = Resources[row.Resource];
            entries.Add(new LogEntry
            {
                Account = account, Seq = seq, Direction = row.Out ? Direction.Out : Direction.In, Flags = (EntryFlags)row.Flags, Peer = Peers[row.Peer],
                Target = row.Out ? resource : "mine", Sender = row.Out ? "me@example.org/r1" : resource is null ? Peers[row.Peer] : $"{Peers[row.Peer]}/{resource}",
                At = at, Stanza = new byte[row.Size],
            });
        }
        return entries;
    }

    private static (IEnumerable<long> Seqs, bool Complete, long? Count) Expected(List<LogEntry> entries, ArchiveQuery query)
    {
        var filtered = entries.Where(e => e.Flags.HasFlag(EntryFlags.Archived)
            && (query.With is null || Far(e).Contains(query.With))
            && (query.Start is null || e.At >= query.Start) && (query.End is null || e.At <= query.End)).ToList();
        var picked = filtered.Where(e => query.Seqs is null || query.Seqs.Contains(e.Seq)).ToList();
        var matching = picked.Where(e => (query.AfterSeq is null || e.Seq > query.AfterSeq) && (query.BeforeSeq is null || e.Seq < query.BeforeSeq)).ToList();
        if (query.FromEnd) matching.Reverse();
        var (page, bytes) = (new List<long>(), 0L);
        foreach (var entry in matching.Take(query.Limit))
        {
            bytes += entry.Stanza.Length;
            if (bytes > query.MaxBytes && page.Count > 0) break;
            page.Add(entry.Seq);
        }
        return (page.Order(), page.Count == matching.Count, query.WantCount ? picked.Count : null);
    }

    private static string[] Far(LogEntry entry) => [entry.Peer, entry.Direction == Direction.In ? entry.Sender : $"{entry.Peer}/{entry.Target}"];
}
