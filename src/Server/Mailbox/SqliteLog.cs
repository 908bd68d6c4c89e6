using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// The logs in SQLite: appended by the one writer, indexed behind it, found by the indexes and by what memory has of the tail.
/// </summary>
internal sealed class SqliteLog : MailboxLog
{
    private readonly SqliteDatabase _database;
    private readonly LogTail _tail;
    private readonly LogWriter _writer;
    private readonly LogIndexer _indexer;
    private readonly ArchiveReader _archive;
    private readonly Retention _retention;
    private readonly SqliteCursors _cursors;
    private readonly SqliteResumptions _resumptions;
    private volatile bool _closed;

    private SqliteLog(SqliteDatabase database, LogTail tail, ILogger log) : base(database, log)
    {
        (_database, _tail) = (database, tail);
        _writer = new LogWriter(tail);
        _indexer = new LogIndexer(tail, database.Writer, database.Time, log);
        _archive = new ArchiveReader(database, tail);
        _retention = new Retention(database, tail, _indexer);
        Cursors = new Cursors(database, database.Writer.Wake, FlushAsync);
        Conversations = new Conversations(database, 1, _ => database.Writer.Wake());
        Resumptions = new Resumptions(database, database.Writer.Wake, FlushAsync);
        (_cursors, _resumptions) = (new SqliteCursors(Cursors), new SqliteResumptions(Resumptions));
        database.Metrics.ObserveTail(() => tail.Count);
    }

    /// <summary>Opens the logs of a database. Dispose it before the database.</summary>
    public static async Task<SqliteLog> OpenAsync(SqliteDatabase database, ILoggerFactory logs, CancellationToken cancel = default)
    {
        // As a job of the writer: nothing is written between reading the end of the log and going on from there.
        var log = await database.WriteRawAsync(connection =>
        {
            var opened = new SqliteLog(database, Recover(connection), logs.CreateLogger<MailboxLog>());
            database.Writer.SetParts([opened._writer, new SqliteConversations(opened.Conversations), opened._cursors, opened._resumptions, opened._indexer]);
            return opened;
        }, cancel);
        log.BeginPurging();
        return log;
    }

    public override Cursors Cursors { get; }
    public override Conversations Conversations { get; }
    public override Resumptions Resumptions { get; }

    public override Action? BatchCompleted
    {
        get => _database.Completions.BatchCompleted;
        set => _database.Completions.BatchCompleted = value;
    }

    public override int QueueLength => _database.Completions.Length;

    public override TimeSpan OldestWaiting => _database.Writer.OldestWaiting;

    public override int Unindexed => _tail.Count;

    public override void Enqueue(Append append)
    {
        append.Log = _writer;
        if (_closed) _database.Completions.Reject(append, new ObjectDisposedException(nameof(MailboxLog)));
        else _database.Writer.Enqueue(append);
    }

    /// <summary>One process has the file, so there is nobody to fence out: the epoch is always 0, and the numbers are checked.</summary>
    public override async Task<LogHead> OpenAsync(long account, int tail, CancellationToken cancel = default)
    {
        var last = await LastSeqAsync(account, cancel);
        var cursors = await Cursors.LoadAsync(account, cancel);
        return new LogHead(0, last, cursors, last == 0 ? [] : await TailKeysAsync(account, tail, cancel));
    }

    public override Task<long> LastSeqAsync(long account, CancellationToken cancel = default) =>
        _tail.Find(account) is { } tail
            ? Task.FromResult(tail.LastSeq)
            : _database.ReadRawAsync(account, static (connection, account) => LogReader.ReadLast(connection, account, long.MaxValue).LastSeq, cancel);

    public override Task<IReadOnlyList<LogEntry>> ReadPendingAsync(long account, long afterSeq, int limit, CancellationToken cancel = default)
    {
        if (afterSeq == long.MaxValue) return Task.FromResult<IReadOnlyList<LogEntry>>([]);
        var filter = new LogFilter(account, afterSeq + 1, long.MaxValue) { KindMask = (byte)EntryFlags.Pending | LogTail.OutBit, Kind = (byte)EntryFlags.Pending };
        return ReadAsync(filter, limit, fromEnd: false, LogReader.Fetch, cancel);
    }

    public override Task<IReadOnlyList<LogEntry>> ReadAsync(long account, long fromSeq, long toSeq, int limit, CancellationToken cancel = default) =>
        ReadAsync(new LogFilter(account, fromSeq, toSeq), limit, fromEnd: false, LogReader.Fetch, cancel);

    public override Task<IReadOnlyList<TailKey>> TailKeysAsync(long account, int count, CancellationToken cancel = default) =>
        ReadAsync(new LogFilter(account, 0, long.MaxValue), count, fromEnd: true, static (connection, keys) =>
        {
            var found = new List<TailKey>(keys.Count);
            for (var i = keys.Count - 1; i >= 0; i--)
                if (LogReader.FetchKey(connection, keys[i].Pos) is { } key) found.Add(key);
            return found;
        }, cancel);

    public override async Task<LogEntry?> FindByMessageIdAsync(long account, string peer, string messageId, Direction direction, int maxScan, CancellationToken cancel = default)
    {
        var filter = new LogFilter(account, 0, long.MaxValue) { Peer = peer, KindMask = LogTail.OutBit, Kind = direction == Direction.Out ? LogTail.OutBit : (byte)0 };
        var found = await ReadAsync<LogEntry>(filter, maxScan, fromEnd: true, (connection, keys) =>
        {
            foreach (var key in keys)
                if (LogReader.FetchKey(connection, key.Pos)?.MessageId == messageId && LogReader.Fetch(connection, key.Pos) is { } entry) return [entry];
            return [];
        }, cancel);
        return found is [var first] ? first : null;
    }

    public override Task<ArchivePage> QueryAsync(ArchiveQuery query, CancellationToken cancel = default) => _archive.QueryAsync(query, cancel);

    public override Task<bool> HasAllAsync(long account, IReadOnlyCollection<long> seqs, CancellationToken cancel = default) => _archive.HasAllAsync(account, seqs, cancel);

    public override Task<ArchiveBounds?> BoundsAsync(long account, CancellationToken cancel = default) => _archive.BoundsAsync(account, cancel);

    public override Task<int> TrimAsync(long? account, long olderThan, int maxRows, bool evenPending = false, CancellationToken cancel = default) =>
        _retention.TrimAsync(account, olderThan, maxRows, evenPending, cancel);

    public override Task<long> PurgeDeletedAsync(CancellationToken cancel = default) => _retention.PurgeDeletedAsync(cancel);

    public override Task IndexAllAsync() => _indexer.IndexAllAsync();

    public override async ValueTask DisposeAsync()
    {
        if (_closed) return;
        _closed = true;
        await EndPurgingAsync();
        await FlushAsync(CancellationToken.None);
        _retention.Dispose();
    }

    private Task<bool> FlushAsync(CancellationToken cancel) => _database.WriteRawAsync(_ =>
    {
        _cursors.Flush();
        _resumptions.Flush();
        return true;
    }, cancel);

    private Task<IReadOnlyList<T>> ReadAsync<T>(LogFilter filter, int limit, bool fromEnd, Func<SqliteStoreConnection, List<IndexEntry>, List<T>> fetch, CancellationToken cancel)
    {
        var late = new List<IndexEntry>();
        var boundary = _tail.Find(filter.Account)?.Select(filter, limit, fromEnd, late) ?? long.MaxValue;
        return _database.ReadRawAsync((filter, limit, fromEnd, late, boundary, fetch), static IReadOnlyList<T> (connection, search) =>
        {
            var (filter, limit, fromEnd, late, boundary, fetch) = search;
            if (fromEnd)
            {
                LogReader.SelectIndexed(connection, filter, boundary, limit, true, late);
                return fetch(connection, late);
            }
            if (filter.From >= boundary) return fetch(connection, late); // all of it is young: the indexes need no look
            var keys = new List<IndexEntry>();
            LogReader.SelectIndexed(connection, filter, boundary, limit, false, keys);
            keys.AddRange(late.Take(limit - keys.Count));
            return fetch(connection, keys);
        }, cancel);
    }

    /// <summary>Reads what lies above the indexed part of the log.</summary>
    private static LogTail Recover(SqliteStoreConnection connection)
    {
        var tail = new LogTail();
        var indexed = LogState.Get(connection, LogState.IndexedPos);
        tail.Begin(Math.Max(indexed, connection.Scalar("SELECT max(pos) FROM log")), LogState.Get(connection, LogState.ClockStep));
        var rows = connection.Prepare("SELECT pos, account, seq, direction, flags, peer, at FROM log WHERE pos > ? ORDER BY pos").Bind(1, indexed);
        try
        {
            while (rows.Step())
            {
                var kind = (byte)(rows.Long(4) | (rows.Long(3) == (long)Direction.Out ? LogTail.OutBit : 0L));
                tail.Recover(connection, new IndexEntry(rows.Long(1), rows.Long(2), rows.Long(0), kind, rows.Long(6), 0, rows.Text(5)), indexed);
            }
        }
        finally
        {
            rows.Reset();
        }
        return tail;
    }
}
