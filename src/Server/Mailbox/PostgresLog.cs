using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// The logs in PostgreSQL, shared by all nodes. An account's entries go through one writer of the node that has claimed it
/// (<see cref="PostgresClaim"/>); reading is plain SQL.
/// </summary>
internal sealed class PostgresLog : MailboxLog
{
    private readonly PostgresDatabase _database;
    private readonly LogShard[] _shards;
    private readonly SideWriter _side;
    private readonly PostgresClaim _claim;
    private readonly PostgresArchive _archive;
    private readonly PostgresRetention _retention;
    private volatile bool _closed;

    private PostgresLog(PostgresDatabase database, ILogger log) : base(database, log)
    {
        _database = database;
        _shards = new LogShard[database.Settings.LogWriters];
        Conversations = new Conversations(database, _shards.Length, part => _shards[part].TicksMoved());
        Cursors = new Cursors(database, () => _side!.Wake(), FlushAsync);
        Resumptions = new Resumptions(database, () => _side!.Wake(), FlushAsync);
        for (var i = 0; i < _shards.Length; i++) _shards[i] = new LogShard(i, database, Conversations, log);
        _side = new SideWriter(database, Cursors, Resumptions, log);
        _claim = new PostgresClaim(database, log);
        _archive = new PostgresArchive(database);
        _retention = new PostgresRetention(database);
        database.Metrics.Observe(() => QueueLength, () => OldestWaiting.TotalSeconds);
    }

    /// <summary>Opens the logs of a database. Dispose it before the database.</summary>
    public static PostgresLog Open(PostgresDatabase database, ILoggerFactory logs)
    {
        var log = new PostgresLog(database, logs.CreateLogger<MailboxLog>());
        foreach (var shard in log._shards) shard.Start();
        log._side.Start();
        log.BeginPurging();
        return log;
    }

    public override Cursors Cursors { get; }
    public override Conversations Conversations { get; }
    public override Resumptions Resumptions { get; }

    public override Action? BatchCompleted
    {
        get => _shards[0].Completions.BatchCompleted;
        set
        {
            foreach (var shard in _shards) shard.Completions.BatchCompleted = value;
        }
    }

    public override int QueueLength => _shards.Sum(static shard => shard.Completions.Length);

    public override TimeSpan OldestWaiting => _shards.Max(static shard => shard.OldestWaiting);

    /// <summary>None: what is committed is indexed.</summary>
    public override int Unindexed => 0;

    /// <summary>One round trip. Only when this process has something of the account under way does it wait for its own writer.</summary>
    public override async Task<LogHead> OpenAsync(long account, int tail, CancellationToken cancel = default)
    {
        var shard = ShardOf(account);
        while (true)
        {
            var quiet = shard.IsQuiet(account);
            var unwritten = Cursors.Unwritten(account);
            var head = await _claim.ClaimAsync(account, shard.Key, ownToo: !quiet, tail, cancel);
            if (quiet && !shard.IsQuiet(account)) continue; // a former state has begun something in between: claim from that, too
            return head with { Cursors = Cursors.Merge([.. head.Cursors], unwritten) };
        }
    }

    public override void Enqueue(Append append) => ShardOf(append.Entry.Account).Enqueue(append);

    public override Task<long> LastSeqAsync(long account, CancellationToken cancel = default) => _database.ReadAsync(account, static (connection, account) => connection.Number(
        "SELECT greatest((SELECT max(seq) FROM log WHERE account = @account), (SELECT trimmed FROM log_head WHERE account = @account), 0)", ("account", account)) ?? 0, cancel);

    public override Task<IReadOnlyList<LogEntry>> ReadPendingAsync(long account, long afterSeq, int limit, CancellationToken cancel = default) =>
        _database.ReadAsync((account, afterSeq, limit), static IReadOnlyList<LogEntry> (connection, range) => connection.Rows(
            $"SELECT {PostgresReader.Columns} FROM log WHERE account = @account AND seq > @after AND direction = 0 AND flags & 2 = 2 ORDER BY seq LIMIT @limit",
            PostgresReader.Entry, ("account", range.account), ("after", range.afterSeq), ("limit", range.limit)), cancel);

    public override Task<IReadOnlyList<LogEntry>> ReadAsync(long account, long fromSeq, long toSeq, int limit, CancellationToken cancel = default) =>
        _database.ReadAsync((account, fromSeq, toSeq, limit), static IReadOnlyList<LogEntry> (connection, range) => connection.Rows(
            $"SELECT {PostgresReader.Columns} FROM log WHERE account = @account AND seq BETWEEN @from AND @to ORDER BY seq LIMIT @limit",
            PostgresReader.Entry, ("account", range.account), ("from", range.fromSeq), ("to", range.toSeq), ("limit", range.limit)), cancel);

    public override Task<IReadOnlyList<TailKey>> TailKeysAsync(long account, int count, CancellationToken cancel = default) =>
        _database.ReadAsync((account, count), static IReadOnlyList<TailKey> (connection, tail) =>
        {
            var keys = connection.Rows($"SELECT {PostgresReader.KeyColumns} FROM log WHERE account = @account ORDER BY seq DESC LIMIT @count",
                PostgresReader.Key, ("account", tail.account), ("count", tail.count));
            keys.Reverse();
            return keys;
        }, cancel);

    public override Task<LogEntry?> FindByMessageIdAsync(long account, string peer, string messageId, Direction direction, int maxScan, CancellationToken cancel = default) =>
        _database.ReadAsync((account, peer, messageId, direction, maxScan), static (connection, wanted) => connection.Row($"""
            SELECT {PostgresReader.Columns} FROM (SELECT * FROM log WHERE account = @account AND peer = @peer AND direction = @direction ORDER BY seq DESC LIMIT @scan) AS newest
            WHERE message_id = @id ORDER BY seq DESC LIMIT 1
            """, PostgresReader.Entry, ("account", wanted.account), ("peer", wanted.peer), ("direction", (short)wanted.direction), ("scan", wanted.maxScan), ("id", wanted.messageId)), cancel);

    public override Task<ArchivePage> QueryAsync(ArchiveQuery query, CancellationToken cancel = default) => _archive.QueryAsync(query, cancel);

    public override Task<bool> HasAllAsync(long account, IReadOnlyCollection<long> seqs, CancellationToken cancel = default) => _archive.HasAllAsync(account, seqs, cancel);

    public override Task<ArchiveBounds?> BoundsAsync(long account, CancellationToken cancel = default) => _archive.BoundsAsync(account, cancel);

    public override Task<int> TrimAsync(long? account, long olderThan, int maxRows, bool evenPending = false, CancellationToken cancel = default) =>
        _retention.TrimAsync(account, olderThan, maxRows, evenPending, cancel);

    public override Task<long> PurgeDeletedAsync(CancellationToken cancel = default) => _retention.PurgeDeletedAsync(cancel);

    public override Task IndexAllAsync() => Task.CompletedTask;

    public override async ValueTask DisposeAsync()
    {
        if (_closed) return;
        _closed = true;
        await EndPurgingAsync();
        await Task.WhenAll([_side.CloseAsync(), .. _shards.Select(static shard => shard.CloseAsync())]);
        _retention.Dispose();
    }

    private LogShard ShardOf(long account) => _shards[(int)((ulong)account % (ulong)_shards.Length)];

    private Task FlushAsync(CancellationToken cancel) => Task.WhenAll([_side.FlushAsync(), .. _shards.Select(static shard => shard.FlushAsync())]).WaitAsync(cancel);
}
