using System.Diagnostics;
using System.Globalization;
using Indaba.Cluster;
using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

/// <summary>
/// What an append costs. Run by hand: <c>--explicit only --filter-class Indaba.Server.Tests.Mailbox.LogBenchmark</c>. No verdict.
/// </summary>
public sealed class LogBenchmark
{
    private static readonly TimeSpan Warm = TimeSpan.FromSeconds(2), Measured = TimeSpan.FromSeconds(8);

    [Theory(Explicit = true)]
    [InlineData(Store.Sqlite, 100, 1)]
    [InlineData(Store.Sqlite, 100, 16)]
    [InlineData(Store.Postgres, 1, 1)]
    [InlineData(Store.Postgres, 100, 1)]
    [InlineData(Store.Postgres, 100, 16)]
    public async Task Appenders_each_with_so_many_on_their_way(Store store, int appenders, int window)
    {
        await using var server = store == Store.Postgres ? await PostgresServer.StartNew() : null;
        var folder = Directory.CreateTempSubdirectory("indaba-bench-");
        await using (var database = await TestData.OpenDatabaseAsync(server?.ConnectionString ?? Path.Combine(folder.FullName, "indaba.db"), TimeProvider.System, TestLog.Factory, TestData.Cancel))
        await using (var log = await MailboxLog.OpenAsync(database, TestLog.Factory, TestData.Cancel))
        {
            var load = new Load(log, appenders);
            await load.StartAsync(window);
            await Task.Delay(Warm, TimeProvider.System, TestData.Cancel);
            load.Reset();
            var (own, theirs, time, rows) = (Environment.CpuUsage.TotalTime, Cpu(server), Stopwatch.GetTimestamp(), load.Rows);
            await Task.Delay(Measured, TimeProvider.System, TestData.Cancel);
            var (seconds, done) = (Stopwatch.GetElapsedTime(time).TotalSeconds, load.Rows - rows);
            var (client, backend) = ((Environment.CpuUsage.TotalTime - own).TotalMicroseconds / done, (Cpu(server) - theirs).TotalMicroseconds / done);
            var (p50, p99) = load.Latency();
            TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{store} {appenders} appenders x {window}: {done / seconds:F0} rows/s, CPU a row {client:F1} µs client + {backend:F1} µs PostgreSQL, p50 {p50:F2} ms, p99 {p99:F2} ms"));
            load.Stop();
        }
        folder.Delete(recursive: true);
    }

    /// <summary>A node has died and all of its accounts are claimed by another one.</summary>
    [Fact(Explicit = true)]
    public async Task Claims_of_a_dead_node_s_accounts()
    {
        const int accounts = 5000;
        await using var server = await PostgresServer.StartNew();
        await using (var first = await PostgresNode.StartAsync(server.ConnectionString))
        {
            var heads = await Task.WhenAll(Enumerable.Range(1, accounts).Select(account => first.ClaimAsync(account)));
            await Task.WhenAll(Enumerable.Range(1, accounts).SelectMany(account => Enumerable.Range(1, 20).Select(seq => first.Append(account, seq, heads[account - 1].Epoch).Done)));
        }
        await using var second = await PostgresNode.StartAsync(server.ConnectionString);
        var (own, theirs, time) = (Environment.CpuUsage.TotalTime, Cpu(server), Stopwatch.GetTimestamp());
        var claimed = await Task.WhenAll(Enumerable.Range(1, accounts).Select(account => second.Log.OpenAsync(account, 200, TestData.Cancel)));
        var seconds = Stopwatch.GetElapsedTime(time).TotalSeconds;
        Assert.All(claimed, head => Assert.Equal(20, head.Tail.Count));
        TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{accounts} claims: {seconds:F2} s, CPU each {(Environment.CpuUsage.TotalTime - own).TotalMicroseconds / accounts:F0} µs client + {(Cpu(server) - theirs).TotalMicroseconds / accounts:F0} µs PostgreSQL"));
    }

    /// <summary>CPU of all processes of a server; those that have ended count with their parent.</summary>
    private static TimeSpan Cpu(PostgresServer? server)
    {
        if (server?.ProcessId is not { } parent) return TimeSpan.Zero;
        var ticks = 0L;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id)) continue;
            try
            {
                var stat = File.ReadAllText(Path.Combine(folder, "stat"));
                var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                if (id == parent || fields[1] == parent.ToString(CultureInfo.InvariantCulture)) ticks += long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
            }
            catch (IOException)
            {
                // it has ended meanwhile
            }
        }
        return TimeSpan.FromSeconds(ticks / 100.0);
    }

    private sealed class Load(MailboxLog log, int appenders)
    {
        private readonly long[] _seqs = new long[appenders + 1], _epochs = new long[appenders + 1];
        private readonly List<double> _latencies = [];
        private long _rows;
        private volatile bool _stopped;

        public long Rows => Interlocked.Read(ref _rows);

        public async Task StartAsync(int window)
        {
            for (var account = 1; account <= appenders; account++) _epochs[account] = (await log.OpenAsync(account, 10, TestData.Cancel)).Epoch;
            for (var account = 1; account <= appenders; account++)
                for (var i = 0; i < window; i++) Next(account);
        }

        public void Stop() => _stopped = true;

        public void Reset()
        {
            lock (_latencies) _latencies.Clear();
        }

        public (double, double) Latency()
        {
            lock (_latencies)
            {
                _latencies.Sort();
                return (_latencies[_latencies.Count / 2], _latencies[_latencies.Count * 99 / 100]);
            }
        }

        private void Next(int account)
        {
            if (_stopped) return;
            var started = Stopwatch.GetTimestamp();
            var seq = Interlocked.Increment(ref _seqs[account]);
            log.Enqueue(new TestAppend(Entries.New(account, seq, peer: $"peer{seq % 10}@example.net", id: $"{seq}", size: 250))
            {
                Epoch = _epochs[account],
                OnCommitted = () =>
                {
                    if (Interlocked.Increment(ref _rows) % 16 == 0) lock (_latencies) _latencies.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
                    Next(account);
                },
            });
        }
    }
}
