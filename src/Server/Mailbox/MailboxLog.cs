using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// The logs of all accounts: append-only, committed in groups, read by number, by peer and by time. (Not called Mailbox
/// because the namespace has that name.)
/// </summary>
internal sealed partial class MailboxLog : IAsyncDisposable
{
    private static readonly TimeSpan PurgeInterval = TimeSpan.FromMinutes(10);

    private readonly Database _database;
    private readonly LogTail _tail;
    private readonly LogWriter _writer;
    private readonly LogIndexer _indexer;
    private readonly ArchiveReader _archive;
    private readonly Retention _retention;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _closing = new();
    private Task _purging = Task.CompletedTask;
    private volatile bool _closed;

    private MailboxLog(Database database, LogTail tail, ILogger log)
    {
        (_database, _tail, _log) = (database, tail, log);
        _writer = new LogWriter(tail);
        _indexer = new LogIndexer(tail, database.Writer, database.Time, log);
        _archive = new ArchiveReader(database, tail);
        _retention = new Retention(database, tail, _indexer);
        Cursors = new Cursors(database);
        Conversations = new Conversations(database);
        database.Metrics.ObserveTail(() => tail.Count);
    }

    /// <summary>Opens the logs of a database. Dispose it before the database.</summary>
    public static async Task<MailboxLog> OpenAsync(Database database, ILoggerFactory logs, CancellationToken cancel = default)
    {
        // As a job of the writer: nothing is written between reading the end of the log and going on from there.
        var log = await database.WriteRawAsync(connection =>
        {
            var opened = new MailboxLog(database, Recover(connection), logs.CreateLogger<MailboxLog>());
            database.Writer.SetParts([opened._writer, opened.Conversations, opened.Cursors, opened._indexer]);
            return opened;
        }, cancel);
        log._purging = Task.Run(log.PurgeNowAndThenAsync, CancellationToken.None);
        return log;
    }

    public Cursors Cursors { get; }
    public Conversations Conversations { get; }

    /// <summary>Called on the completion loop after the completions of each batch: the moment to flush sockets once.</summary>
    public Action? BatchCompleted
    {
        get => _database.Completions.BatchCompleted;
        set => _database.Completions.BatchCompleted = value;
    }

    /// <summary>Appends and jobs whose end is not told yet.</summary>
    public int QueueLength => _database.Completions.Length;

    /// <summary>How long the oldest of them has waited for its commit.</summary>
    public TimeSpan OldestWaiting => _database.Writer.OldestWaiting;

    /// <summary>Entries that are committed but not yet indexed (they are found all the same).</summary>
    public int Unindexed => _tail.Count;

    /// <summary>Queues an append for the next commit. Thread-safe, never blocks; commits in the order of the calls.</summary>
    public void Enqueue(Append append)
    {
        append.Log = _writer;
        if (_closed) _database.Completions.Reject(append, new ObjectDisposedException(nameof(MailboxLog)));
        else _database.Writer.Enqueue(append);
    }

    /// <summary>
    /// Claims an account's log for this node and tells where it stands: from now on appends of a former claim are refused.
    /// </summary>
    /// <param name="tail">How many of the last entries' keys are wanted.</param>
    public async Task<LogHead> OpenAsync(long account, int tail, CancellationToken cancel = default)
    {
        var last = await LastSeqAsync(account, cancel).ConfigureAwait(false);
        var cursors = await Cursors.LoadAsync(account, cancel).ConfigureAwait(false);
        return new LogHead(0, last, cursors, last == 0 ? [] : await TailKeysAsync(account, tail, cancel).ConfigureAwait(false));
    }

    /// <summary>The highest number of an account's log (those on their way to the disk included), 0 when it never had one.</summary>
    public Task<long> LastSeqAsync(long account, CancellationToken cancel = default) =>
        _tail.Find(account) is { } tail
            ? Task.FromResult(tail.LastSeq)
            : _database.ReadAsync(account, static (connection, account) => LogReader.ReadLast(connection, account, long.MaxValue).LastSeq, cancel);

    /// <summary>Incoming entries to be delivered with a number above <paramref name="afterSeq"/>, ascending.</summary>
    public Task<IReadOnlyList<LogEntry>> ReadPendingAsync(long account, long afterSeq, int limit, CancellationToken cancel = default)
    {
        if (afterSeq == long.MaxValue) return Task.FromResult<IReadOnlyList<LogEntry>>([]);
        var filter = new LogFilter(account, afterSeq + 1, long.MaxValue) { KindMask = (byte)EntryFlags.Pending | LogTail.OutBit, Kind = (byte)EntryFlags.Pending };
        return ReadAsync(filter, limit, fromEnd: false, LogReader.Fetch, cancel);
    }

    /// <summary>All entries from one number to another, both included, ascending.</summary>
    public Task<IReadOnlyList<LogEntry>> ReadAsync(long account, long fromSeq, long toSeq, int limit, CancellationToken cancel = default) =>
        ReadAsync(new LogFilter(account, fromSeq, toSeq), limit, fromEnd: false, LogReader.Fetch, cancel);

    /// <summary>One entry, or null.</summary>
    public async Task<LogEntry?> FindAsync(long account, long seq, CancellationToken cancel = default) =>
        await ReadAsync(account, seq, seq, 1, cancel) is [var entry] ? entry : null;

    /// <summary>The keys of the last <paramref name="count"/> entries, ascending.</summary>
    public Task<IReadOnlyList<TailKey>> TailKeysAsync(long account, int count, CancellationToken cancel = default) =>
        ReadAsync(new LogFilter(account, 0, long.MaxValue), count, fromEnd: true, static (connection, keys) =>
        {
            var found = new List<TailKey>(keys.Count);
            for (var i = keys.Count - 1; i >= 0; i--)
                if (LogReader.FetchKey(connection, keys[i].Pos) is { } key) found.Add(key);
            return found;
        }, cancel);

    /// <summary>The newest entry with a peer that has this stanza id, among the last <paramref name="maxScan"/> of that direction with that peer; or null.</summary>
    public async Task<LogEntry?> FindByMessageIdAsync(long account, string peer, string messageId, Direction direction, int maxScan, CancellationToken cancel = default)
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

    /// <summary>A page of an account's archive (XEP-0313).</summary>
    public Task<ArchivePage> QueryAsync(ArchiveQuery query, CancellationToken cancel = default) => _archive.QueryAsync(query, cancel);

    /// <summary>True when each of these numbers is in the account's archive (XEP-0313 section 4.1.3: else item-not-found).</summary>
    public Task<bool> HasAllAsync(long account, IReadOnlyCollection<long> seqs, CancellationToken cancel = default) => _archive.HasAllAsync(account, seqs, cancel);

    /// <summary>The first and last entry of an account's archive; null when it is empty.</summary>
    public Task<ArchiveBounds?> BoundsAsync(long account, CancellationToken cancel = default) => _archive.BoundsAsync(account, cancel);

    /// <summary>
    /// Removes entries taken before <paramref name="olderThan"/> (unix milliseconds), of one account or of all (null), one slice of at
    /// most <paramref name="maxRows"/>; returns how many went, call again until 0. What is pending above the account's highest
    /// cursor stays unless <paramref name="evenPending"/>. All commits wait for a slice, some 6 µs a row.
    /// </summary>
    public Task<int> TrimAsync(long? account, long olderThan, int maxRows, bool evenPending = false, CancellationToken cancel = default) =>
        _retention.TrimAsync(account, olderThan, maxRows, evenPending, cancel);

    /// <summary>Removes what is left of the logs of deleted accounts, in slices; also done at start and now and then. Returns the rows removed.</summary>
    public Task<long> PurgeDeletedAsync(CancellationToken cancel = default) => _retention.PurgeDeletedAsync(cancel);

    /// <summary>Completes when everything committed until now is in the indexes.</summary>
    public Task IndexAllAsync() => _indexer.IndexAllAsync();

    /// <summary>Commits what is queued, cursors too.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_closed) return;
        _closed = true;
        await _closing.CancelAsync();
        await _purging;
        await Cursors.FlushAsync();
        _closing.Dispose();
        _retention.Dispose();
    }

    private Task<IReadOnlyList<T>> ReadAsync<T>(LogFilter filter, int limit, bool fromEnd, Func<StoreConnection, List<IndexEntry>, List<T>> fetch, CancellationToken cancel)
    {
        var late = new List<IndexEntry>();
        var boundary = _tail.Find(filter.Account)?.Select(filter, limit, fromEnd, late) ?? long.MaxValue;
        return _database.ReadAsync((filter, limit, fromEnd, late, boundary, fetch), static IReadOnlyList<T> (connection, search) =>
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
    private static LogTail Recover(StoreConnection connection)
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

    private async Task PurgeNowAndThenAsync()
    {
        using var timer = new PeriodicTimer(PurgeInterval, _database.Time);
        try
        {
            do
            {
                try
                {
                    await PurgeDeletedAsync(_closing.Token);
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    PurgeFailed(error);
                }
            }
            while (await timer.WaitForNextTickAsync(_closing.Token));
        }
        catch (OperationCanceledException)
        {
            // closing
        }
    }

    [LoggerMessage(730, LogLevel.Error, "Removing the logs of deleted accounts failed; it is tried again")]
    private partial void PurgeFailed(Exception error);
}
