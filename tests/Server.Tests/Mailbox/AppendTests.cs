using System.Collections.Concurrent;
using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

public sealed class SqliteAppendTests() : AppendTests(Store.Sqlite);

public sealed class PostgresAppendTests() : AppendTests(Store.Postgres);

public abstract class AppendTests(Store store) : StoreTests(store)
{
    [Fact]
    public async Task Every_field_comes_back_as_it_was()
    {
        await using var data = await NewAsync();
        var full = new LogEntry
        {
            Account = 3, Seq = 9, Direction = Direction.Out, Flags = EntryFlags.Archived | EntryFlags.Private, Peer = "bücher@example.net", Target = "r\u00e9s",
            Sender = "me@example.org/" + new string('ü', 400), Device = "d", OriginId = "", MessageId = "m'\"", At = 1_700_000_000_123, Stanza = [0, 255, (byte)'<'],
        };
        var bare = new LogEntry { Account = 3, Seq = 10, Direction = Direction.In, Flags = EntryFlags.None, Peer = "", Sender = "", At = 0, Stanza = [] };
        await data.Log.AppendAsync(full);
        await data.Log.AppendAsync(bare);
        foreach (var indexed in new[] { false, true })
        {
            if (indexed) await data.Log.IndexAllAsync();
            Assert.Equivalent(full, await data.Log.FindAsync(3, 9, TestData.Cancel), strict: true);
            Assert.Equivalent(bare, await data.Log.FindAsync(3, 10, TestData.Cancel), strict: true);
            Assert.Null(await data.Log.FindAsync(3, 11, TestData.Cancel));
            Assert.Null(await data.Log.FindAsync(4, 9, TestData.Cancel));
        }
    }

    [Fact]
    public async Task Many_threads_append_and_each_account_keeps_its_order()
    {
        const int threads = 8, each = 1500;
        await using var data = await NewAsync();
        var committed = new ConcurrentQueue<(int Account, int Seq)>();
        var left = threads * each;
        var done = new TaskCompletionSource();
        var work = Enumerable.Range(1, threads).Select(account => new Thread(() =>
        {
            for (var i = 1; i <= each; i++)
            {
                var seq = i;
                data.Log.Enqueue(new TestAppend(Entries.New(account, seq, id: $"{account}-{seq}"))
                {
                    OnCommitted = () =>
                    {
                        committed.Enqueue((account, seq));
                        if (Interlocked.Decrement(ref left) == 0) done.SetResult();
                    },
                });
            }
        })).ToList();
        work.ForEach(thread => thread.Start());
        await done.Task.WaitAsync(TestData.Limit, TestData.Cancel);
        foreach (var account in Enumerable.Range(1, threads))
            Assert.Equal(Enumerable.Range(1, each), committed.Where(c => c.Account == account).Select(c => c.Seq));
        if (!IsPostgres) Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM log a JOIN log b ON a.account = b.account AND a.pos < b.pos AND a.seq >= b.seq WHERE a.account = 1"));
        Assert.Equal(threads * each, await data.NumberAsync("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task A_committed_entry_can_be_read_within_its_completion()
    {
        await using var data = await NewAsync();
        var read = new TaskCompletionSource<LogEntry?>();
        data.Log.Enqueue(new TestAppend(Entries.New(1, 1)) { OnCommitted = () => data.Log.FindAsync(1, 1).ContinueWith(t => read.SetResult(t.IsCompletedSuccessfully ? t.GetAwaiter().GetResult() : null), TaskScheduler.Default) });
        Assert.Equal(1, (await read.Task.WaitAsync(TestData.Limit, TestData.Cancel))?.Seq);
    }

    [Fact]
    public async Task Appends_that_wait_share_one_commit_and_one_flush()
    {
        OnlySqlite();
        await using var data = await NewAsync();
        var flushes = 0;
        using var commits = data.Count("indaba.storage.commits");
        TestAppend[] appends;
        using (await data.HoldWriterAsync())
        {
            data.Log.BatchCompleted = () => flushes++;
            appends = [.. Enumerable.Range(1, 100).Select(i => new TestAppend(Entries.New(i, 1)))];
            foreach (var append in appends) data.Log.Enqueue(append);
            Assert.Equal(101, data.Log.QueueLength); // with the job that holds the writer
            Assert.True(data.Log.OldestWaiting > TimeSpan.Zero);
        }
        foreach (var append in appends) await append.Done.WaitAsync(TestData.Limit, TestData.Cancel);
        await data.Database.WriteAsync(_ => 0, TestData.Cancel); // behind the flush of those
        Assert.InRange(flushes, 1, 3);
        Assert.Equal(3, commits.Sum);
        Assert.Equal(TimeSpan.Zero, data.Log.OldestWaiting);
    }

    [Fact]
    public async Task A_completion_that_throws_takes_no_others_news_away()
    {
        await using var data = await NewAsync();
        var bad = new TestAppend(Entries.New(1, 1)) { OnCommitted = () => throw new InvalidOperationException("mine") };
        var good = new TestAppend(Entries.New(1, 2));
        data.Log.BatchCompleted = () => throw new InvalidOperationException("flush");
        data.Log.Enqueue(bad);
        data.Log.Enqueue(good);
        await good.Done.WaitAsync(TestData.Limit, TestData.Cancel);
        await data.Log.AppendAsync(Entries.New(1, 3));
        Assert.Equal([1L, 2, 3], (await data.Log.ReadAsync(1, 0, 9, 9, TestData.Cancel)).Select(e => e.Seq));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_number_that_was_used_is_refused_and_others_of_the_batch_go_on(bool indexed)
    {
        await using var data = await NewAsync();
        await data.Log.AppendAsync(Entries.New(1, 5));
        if (indexed)
        {
            await data.Log.IndexAllAsync();
            await data.ReopenAsync(); // so that memory knows nothing of the account
        }
        TestAppend before, bad, after;
        using (await data.HoldWriterAsync())
        {
            data.Log.Enqueue(before = new TestAppend(Entries.New(1, 6, id: "before")));
            data.Log.Enqueue(bad = new TestAppend(Entries.New(1, 5, Direction.Out)));
            data.Log.Enqueue(after = new TestAppend(Entries.New(1, 7, id: "after")));
        }
        await before.Done.WaitAsync(TestData.Limit, TestData.Cancel);
        var error = await Assert.ThrowsAsync<FencedException>(() => bad.Done.WaitAsync(TestData.Limit, TestData.Cancel));
        Assert.Equal((1, 5), (error.Account, error.Seq));
        await after.Done.WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal([(5L, null), (6, "before"), (7, "after")], (await data.Log.ReadAsync(1, 0, 9, 9, TestData.Cancel)).Select(e => (e.Seq, e.MessageId)));
        Assert.Equal(3, await data.NumberAsync("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task Entries_that_the_table_refuses_fail_alone()
    {
        await using var data = await NewAsync();
        var appends = new List<TestAppend>();
        using (await data.HoldWriterAsync())
        {
            for (var i = 1; i <= 300; i++)
            {
                appends.Add(new TestAppend(Entries.New(2, i, peer: i % 100 == 0 ? null! : "romeo@example.net")));
                data.Log.Enqueue(appends[^1]);
                if (i % 50 == 0) data.Log.Conversations.Delivered(2, "romeo@example.net", i, i);
            }
        }
        for (var i = 1; i <= 300; i++)
        {
            if (i % 100 == 0) await Assert.ThrowsAnyAsync<Exception>(() => appends[i - 1].Done.WaitAsync(TestData.Limit, TestData.Cancel));
            else await appends[i - 1].Done.WaitAsync(TestData.Limit, TestData.Cancel);
        }
        Assert.Equal(297, await data.NumberAsync("SELECT count(*) FROM log"));
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        Assert.Equal(300, await data.NumberAsync("SELECT delivered_seq FROM conversation"));
    }

    [Fact]
    public async Task What_PostgreSQL_cannot_store_fails_alone()
    {
        Assert.SkipUnless(IsPostgres, "SQLite takes all of this");
        await using var data = await NewAsync();
        string[] bad = ["nul \0", "half \ud800 a pair", new string('x', 20_000) + Guid.NewGuid()];
        var appends = new List<(TestAppend Append, bool Good)>();
        for (var i = 1; i <= 60; i++)
        {
            var text = i % 10 == 0 ? bad[i / 10 % 3] : "good";
            var append = new TestAppend(Entries.New(2, i, peer: text.Length > 10_000 ? new string([.. Enumerable.Range(0, 9000).Select(c => (char)(0x4e00 + c * 7919 % 20000))]) : text));
            appends.Add((append, i % 10 != 0));
            data.Log.Enqueue(append);
        }
        foreach (var (append, good) in appends)
        {
            if (good) await append.Done.WaitAsync(TestData.Limit, TestData.Cancel);
            else await Assert.ThrowsAnyAsync<Exception>(() => append.Done.WaitAsync(TestData.Limit, TestData.Cancel));
        }
        Assert.Equal(54, await data.NumberAsync("SELECT count(*) FROM log"));
        data.Log.Cursors.Move(1, "nul \0", "", 1);
        data.Log.Cursors.Move(1, "phone", "", 1);
        data.Log.Resumptions.Note("nul \0", 1, 1);
        data.Log.Resumptions.Note("good", 1, 1);
        data.Log.Conversations.Delivered(1, "nul \0", 1, 1);
        data.Log.Conversations.Delivered(1, "good", 1, 1);
        await data.Log.Cursors.FlushAsync(TestData.Cancel).WaitAsync(TestData.Limit, TestData.Cancel);
        foreach (var table in new[] { "cursor", "resumption", "conversation" }) Assert.Equal(1, await data.NumberAsync($"SELECT count(*) FROM {table}"));
    }

    [Fact]
    public async Task A_full_disk_fails_the_batch_whole_and_the_writer_serves_on_when_there_is_room_again()
    {
        OnlySqlite();
        await using var data = await NewAsync();
        await data.Log.AppendAsync(Entries.New(2, 1));
        var pages = await data.NumberAsync("SELECT page_count FROM pragma_page_count");
        await SetMaxPagesAsync(data, pages + 40);
        long lastGood = 1, firstBad = 0;
        var failed = new List<long>();
        for (var seq = 2L; seq < 200; seq++)
        {
            try
            {
                await data.Log.AppendAsync(Entries.New(2, seq, size: 18_000));
                Assert.Equal(0, firstBad);
                lastGood = seq;
            }
            catch (Microsoft.Data.Sqlite.SqliteException error) when (error.SqliteErrorCode == 13)
            {
                if (firstBad == 0) firstBad = seq;
                failed.Add(seq);
                if (failed.Count == 5) break;
            }
        }
        Assert.True(lastGood > 1 && failed.Count == 5, "the disk never filled");
        // A batch of several: all or nothing.
        TestAppend[] batch;
        using (await data.HoldWriterAsync())
        {
            batch = [.. Enumerable.Range(0, 10).Select(i => new TestAppend(Entries.New(30 + i, 1, size: i == 5 ? 500_000 : 1)))];
            foreach (var append in batch) data.Log.Enqueue(append);
        }
        foreach (var append in batch) await Assert.ThrowsAnyAsync<Exception>(() => append.Done.WaitAsync(TestData.Limit, TestData.Cancel));
        Assert.Equal(lastGood, await data.NumberAsync("SELECT count(*) FROM log"));
        await Assert.ThrowsAnyAsync<Exception>(() => data.Database.WriteAsync(c => c.Run("CREATE TABLE x AS SELECT zeroblob(900000)"), TestData.Cancel));

        await SetMaxPagesAsync(data, 1_000_000);
        await data.Log.AppendAsync(Entries.New(2, 300));
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        await data.ReopenAsync();
        Assert.Equal([.. Enumerable.Range(1, (int)lastGood).Select(i => (long)i), 300], (await data.Log.ReadAsync(2, 0, 999, 999, TestData.Cancel)).Select(e => e.Seq));
    }

    [Fact]
    public async Task Disposing_commits_what_is_queued_and_refuses_what_comes_later()
    {
        await using var data = await NewAsync();
        var log = data.Log;
        var appends = Enumerable.Range(1, 3000).Select(i => new TestAppend(Entries.New(1, i))).ToList();
        foreach (var append in appends) log.Enqueue(append);
        await data.CloseAsync();
        Assert.All(appends, append => Assert.True(append.Done.IsCompletedSuccessfully));
        var late = new TestAppend(Entries.New(1, 5000));
        log.Enqueue(late);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => late.Done.WaitAsync(TestData.Limit, TestData.Cancel));
        await data.OpenAsync();
        Assert.Equal(3000, await data.Log.LastSeqAsync(1, TestData.Cancel));
    }

    [Fact]
    public async Task What_was_reported_as_committed_survives_kill_9()
    {
        await using var data = await NewAsync();
        await data.CloseAsync();
        var reported = new Dictionary<long, long>();
        for (var round = 1; round <= 3; round++)
        {
            await using (var child = Child.Start(nameof(Child.Appends_until_it_is_killed), data.Place))
            {
                for (var i = 0; i < 1500 * round; i++) Note(await child.ReadAsync());
                await child.KillAsync();
                while (await child.ReadAsync() is { } line) Note(line); // said before it died
            }
            await data.OpenAsync();
            foreach (var (account, last) in reported)
            {
                var head = await data.Log.OpenAsync(account, 10, TestData.Cancel);
                var seqs = (await data.Log.ReadAsync(account, 0, long.MaxValue, int.MaxValue, TestData.Cancel)).Select(e => e.Seq).ToList();
                Assert.Equal(Enumerable.Range(1, seqs.Count).Select(i => (long)i), seqs); // no gap, no double, in order
                Assert.True(seqs.Count >= last, "a reported append is gone");
                Assert.Equal(seqs.Count, head.LastSeq);
            }
            if (!IsPostgres) Assert.Equal("ok", await data.Database.ReadAsync(c => c.Row("PRAGMA integrity_check", r => r.GetString(0)), TestData.Cancel));
            await data.CloseAsync();
        }

        void Note(string? line)
        {
            var parts = (line ?? throw new InvalidOperationException("the child ended by itself")).Split(' ').Select(n => long.Parse(n, null)).ToArray();
            (reported[parts[0]], reported[parts[0] + 1]) = (parts[1], parts[2]);
        }
    }

    private static Task<long?> SetMaxPagesAsync(TestData data, long pages) =>
        data.Database.WriteAsync(c => c.Number(FormattableString.Invariant($"PRAGMA max_page_count = {pages}")), TestData.Cancel);
}
