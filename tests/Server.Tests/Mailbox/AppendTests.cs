using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

public sealed class AppendTests
{
    [Fact]
    public async Task Every_field_comes_back_as_it_was()
    {
        await using var data = await TestData.NewAsync();
        var full = new LogEntry
        {
            Account = 3, Seq = 9, Direction = Direction.Out, Flags = EntryFlags.Archived | EntryFlags.Private, Peer = "bücher@example.net", Target = "r\u00e9s",
            Sender = "me@example.org/" + new string('ü', 400), Device = "d", OriginId = "", MessageId = "m'\"", At = 1_700_000_000_123, Stanza = [0, 255, (byte)'<'],
        };
        var bare = new LogEntry { Account = 3, Seq = 10, Direction = Direction.In, Flags = EntryFlags.None, Peer = "", Sender = "", At = 0, Stanza = [] };
        await data.Log.AppendAsync(full, bare);
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
        await using var data = await TestData.NewAsync();
        var committed = new List<(int Account, int Seq)>(); // written by the one completion loop only
        var left = threads * each;
        var done = new TaskCompletionSource();
        var work = Enumerable.Range(1, threads).Select(account => new Thread(() =>
        {
            for (var i = 1; i <= each; i++)
            {
                var seq = i;
                data.Log.Enqueue(new TestAppend(Entries.New(account, seq, id: $"{account}-{seq}"), Entries.New(account + threads, seq, Direction.Out, id: $"{account}-{seq}"))
                {
                    OnCommitted = () =>
                    {
                        committed.Add((account, seq));
                        if (--left == 0) done.SetResult();
                    },
                });
            }
        })).ToList();
        work.ForEach(thread => thread.Start());
        await done.Task.WaitAsync(TestData.Limit, TestData.Cancel);
        foreach (var account in Enumerable.Range(1, threads))
            Assert.Equal(Enumerable.Range(1, each), committed.Where(c => c.Account == account).Select(c => c.Seq));
        Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM log a JOIN log b ON a.account = b.account AND a.pos < b.pos AND a.seq >= b.seq WHERE a.account = 1"));
        Assert.Equal(threads * each * 2, await data.NumberAsync("SELECT count(*) FROM log"));
        Assert.Equal(threads * each, await data.NumberAsync("SELECT count(*) FROM (SELECT 1 FROM log GROUP BY message_id HAVING count(*) = 2)"));
    }

    [Fact]
    public async Task A_committed_entry_can_be_read_within_its_completion()
    {
        await using var data = await TestData.NewAsync();
        var read = new TaskCompletionSource<LogEntry?>();
        data.Log.Enqueue(new TestAppend(Entries.New(1, 1)) { OnCommitted = () => data.Log.FindAsync(1, 1).ContinueWith(t => read.SetResult(t.IsCompletedSuccessfully ? t.GetAwaiter().GetResult() : null), TaskScheduler.Default) });
        Assert.Equal(1, (await read.Task.WaitAsync(TestData.Limit, TestData.Cancel))?.Seq);
    }

    [Fact]
    public async Task Appends_that_wait_share_one_commit_and_one_flush()
    {
        await using var data = await TestData.NewAsync();
        var flushes = 0;
        using var commits = data.Count("indaba.storage.commits");
        TestAppend[] appends;
        using (await data.HoldWriterAsync())
        {
            data.Log.BatchCompleted = () => flushes++;
            appends = [.. Enumerable.Range(1, 100).Select(i => new TestAppend(Entries.New(i, 1), Entries.New(1000 + i, 1)))];
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
        await using var data = await TestData.NewAsync();
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
    public async Task A_number_that_was_used_is_refused_with_both_entries_and_others_of_the_batch_go_on(bool indexed)
    {
        await using var data = await TestData.NewAsync();
        await data.Log.AppendAsync(Entries.New(1, 5));
        if (indexed)
        {
            await data.Log.IndexAllAsync();
            await data.ReopenAsync(); // so that memory knows nothing of the account
        }
        TestAppend before, bad, after;
        using (await data.HoldWriterAsync())
        {
            data.Log.Enqueue(before = new TestAppend(Entries.New(2, 1)));
            data.Log.Enqueue(bad = new TestAppend(Entries.New(2, 2), Entries.New(1, 5, Direction.Out)));
            data.Log.Enqueue(after = new TestAppend(Entries.New(2, 2, id: "after"), Entries.New(1, 6)));
        }
        await before.Done.WaitAsync(TestData.Limit, TestData.Cancel);
        var error = await Assert.ThrowsAsync<SequenceException>(() => bad.Done.WaitAsync(TestData.Limit, TestData.Cancel));
        Assert.Equal((1, 5), (error.Account, error.LastSeq));
        await after.Done.WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal([null, "after"], (await data.Log.ReadAsync(2, 0, 9, 9, TestData.Cancel)).Select(e => e.MessageId));
        Assert.Equal([5L, 6], (await data.Log.ReadAsync(1, 0, 9, 9, TestData.Cancel)).Select(e => e.Seq));
        Assert.Equal(4, await data.NumberAsync("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task An_entry_that_the_table_refuses_fails_alone()
    {
        await using var data = await TestData.NewAsync();
        TestAppend bad, good;
        using (await data.HoldWriterAsync())
        {
            data.Log.Enqueue(bad = new TestAppend(Entries.New(1, 1), Entries.New(2, 1, peer: null!)));
            data.Log.Enqueue(good = new TestAppend(Entries.New(1, 1), Entries.New(2, 1)));
        }
        await Assert.ThrowsAnyAsync<Exception>(() => bad.Done.WaitAsync(TestData.Limit, TestData.Cancel));
        await good.Done.WaitAsync(TestData.Limit, TestData.Cancel);
        Assert.Equal(2, await data.NumberAsync("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task A_full_disk_fails_the_batch_whole_and_the_writer_serves_on_when_there_is_room_again()
    {
        await using var data = await TestData.NewAsync();
        await data.Log.AppendAsync(Entries.New(1, 1), Entries.New(2, 1));
        var pages = await data.NumberAsync("SELECT page_count FROM pragma_page_count");
        await SetMaxPagesAsync(data, pages + 40);
        long lastGood = 1, firstBad = 0;
        var failed = new List<long>();
        for (var seq = 2L; seq < 200; seq++)
        {
            try
            {
                await data.Log.AppendAsync(Entries.New(1, seq, size: 9000), Entries.New(2, seq, Direction.Out, size: 9000));
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
            batch = [.. Enumerable.Range(0, 10).Select(i => new TestAppend(Entries.New(10 + i, 1, size: 1), Entries.New(30 + i, 1, size: i == 5 ? 500_000 : 1)))];
            foreach (var append in batch) data.Log.Enqueue(append);
        }
        foreach (var append in batch) await Assert.ThrowsAnyAsync<Exception>(() => append.Done.WaitAsync(TestData.Limit, TestData.Cancel));
        Assert.Equal(lastGood * 2, await data.NumberAsync("SELECT count(*) FROM log"));
        await Assert.ThrowsAnyAsync<Exception>(() => data.Database.WriteAsync(c => c.Run("CREATE TABLE x AS SELECT zeroblob(900000)"), TestData.Cancel));

        await SetMaxPagesAsync(data, 1_000_000);
        await data.Log.AppendAsync(Entries.New(1, 300), Entries.New(2, 300));
        await data.Log.IndexAllAsync().WaitAsync(TestData.Limit, TestData.Cancel);
        await data.ReopenAsync();
        Assert.Equal([.. Enumerable.Range(1, (int)lastGood).Select(i => (long)i), 300], (await data.Log.ReadAsync(2, 0, 999, 999, TestData.Cancel)).Select(e => e.Seq));
    }

    [Fact]
    public async Task Disposing_commits_what_is_queued_and_refuses_what_comes_later()
    {
        await using var data = await TestData.NewAsync();
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
        await using var data = await TestData.NewAsync();
        await data.CloseAsync();
        var reported = new HashSet<(long Account, long Seq)>();
        for (var round = 1; round <= 3; round++)
        {
            await using (var child = Child.Start(nameof(Child.Appends_until_it_is_killed), data.File))
            {
                for (var i = 0; i < 1500 * round; i++) reported.Add(Parse(await child.ReadAsync()));
                await child.KillAsync();
                while (await child.ReadAsync() is { } line) reported.Add(Parse(line)); // said before it died
            }
            await data.OpenAsync();
            Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM (SELECT 1 FROM log GROUP BY message_id HAVING count(*) <> 2)"));
            foreach (var account in reported.Select(r => r.Account).Distinct())
            {
                foreach (var side in new[] { account, account + 1 })
                {
                    var seqs = (await data.Log.ReadAsync(side, 0, long.MaxValue, int.MaxValue, TestData.Cancel)).Select(e => e.Seq).ToList();
                    Assert.Equal(Enumerable.Range(1, seqs.Count).Select(i => (long)i), seqs); // no gap, no double, in order
                    Assert.True(seqs.Count >= reported.Where(r => r.Account == account).Max(r => r.Seq), "a reported append is gone");
                }
            }
            Assert.Equal("ok", await data.Database.ReadAsync(c => c.Row("PRAGMA integrity_check", r => r.GetString(0)), TestData.Cancel));
            await data.CloseAsync();
        }

        static (long, long) Parse(string? line)
        {
            var parts = (line ?? throw new InvalidOperationException("the child ended by itself")).Split(' ');
            return (long.Parse(parts[0], null), long.Parse(parts[1], null));
        }
    }

    private static Task<long?> SetMaxPagesAsync(TestData data, long pages) =>
        data.Database.WriteAsync(c => c.Number(FormattableString.Invariant($"PRAGMA max_page_count = {pages}")), TestData.Cancel);
}
