using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// What the state of an account begins with: the epoch that its appends must carry, the last number of its log, its
/// cursors, and the keys of its last entries, ascending.
/// </summary>
internal sealed record LogHead(long Epoch, long LastSeq, IReadOnlyList<Cursor> Cursors, IReadOnlyList<TailKey> Tail);

/// <summary>
/// The logs of all accounts: append-only, committed in groups, read by number, by peer and by time. (Not called Mailbox
/// because the namespace has that name.)
/// </summary>
internal abstract partial class MailboxLog(Database database, ILogger log) : IAsyncDisposable
{
    private static readonly TimeSpan PurgeInterval = TimeSpan.FromMinutes(10);

    private readonly ILogger _log = log;
    private readonly CancellationTokenSource _closing = new();
    private Task _purging = Task.CompletedTask;

    /// <summary>Opens the logs of a database. Dispose it before the database.</summary>
    public static async Task<MailboxLog> OpenAsync(Database database, ILoggerFactory logs, CancellationToken cancel = default) => database switch
    {
        SqliteDatabase sqlite => await SqliteLog.OpenAsync(sqlite, logs, cancel),
        PostgresDatabase postgres => PostgresLog.Open(postgres, logs),
        _ => throw new ArgumentException($"{database.GetType().Name} has no logs", nameof(database)),
    };

    public abstract Cursors Cursors { get; }
    public abstract Conversations Conversations { get; }
    public abstract Resumptions Resumptions { get; }

    /// <summary>
    /// Called after the completions of each batch: the moment to flush sockets once. It comes from as many threads as the
    /// log has writers, so it may be called while it runs.
    /// </summary>
    public abstract Action? BatchCompleted { get; set; }

    /// <summary>Appends (SQLite: and jobs) whose end is not told yet.</summary>
    public abstract int QueueLength { get; }

    /// <summary>How long the oldest of them has waited for its commit.</summary>
    public abstract TimeSpan OldestWaiting { get; }

    /// <summary>Entries that are committed but not yet indexed (they are found all the same).</summary>
    public abstract int Unindexed { get; }

    /// <summary>
    /// Claims the log of an account for a new state of it, and reads what that needs. From here on nothing that a former state
    /// enqueues is committed, and all that it did commit is in what is returned.
    /// </summary>
    public abstract Task<LogHead> OpenAsync(long account, int tail, CancellationToken cancel = default);

    /// <summary>Queues an append for the next commit. Thread-safe, never blocks; commits for each account in the order of the calls.</summary>
    public abstract void Enqueue(Append append);

    /// <summary>The highest number of an account's log, 0 when it never had one. (SQLite: those on their way to the disk included.)</summary>
    public abstract Task<long> LastSeqAsync(long account, CancellationToken cancel = default);

    /// <summary>Incoming entries to be delivered with a number above <paramref name="afterSeq"/>, ascending.</summary>
    public abstract Task<IReadOnlyList<LogEntry>> ReadPendingAsync(long account, long afterSeq, int limit, CancellationToken cancel = default);

    /// <summary>All entries from one number to another, both included, ascending.</summary>
    public abstract Task<IReadOnlyList<LogEntry>> ReadAsync(long account, long fromSeq, long toSeq, int limit, CancellationToken cancel = default);

    /// <summary>One entry, or null.</summary>
    public async Task<LogEntry?> FindAsync(long account, long seq, CancellationToken cancel = default) =>
        await ReadAsync(account, seq, seq, 1, cancel) is [var entry] ? entry : null;

    /// <summary>The keys of the last <paramref name="count"/> entries, ascending.</summary>
    public abstract Task<IReadOnlyList<TailKey>> TailKeysAsync(long account, int count, CancellationToken cancel = default);

    /// <summary>The newest entry with a peer that has this stanza id, among the last <paramref name="maxScan"/> of that direction with that peer; or null.</summary>
    public abstract Task<LogEntry?> FindByMessageIdAsync(long account, string peer, string messageId, Direction direction, int maxScan, CancellationToken cancel = default);

    /// <summary>A page of an account's archive (XEP-0313).</summary>
    public abstract Task<ArchivePage> QueryAsync(ArchiveQuery query, CancellationToken cancel = default);

    /// <summary>True when each of these numbers is in the account's archive (XEP-0313 section 4.1.3: else item-not-found).</summary>
    public abstract Task<bool> HasAllAsync(long account, IReadOnlyCollection<long> seqs, CancellationToken cancel = default);

    /// <summary>The first and last entry of an account's archive; null when it is empty.</summary>
    public abstract Task<ArchiveBounds?> BoundsAsync(long account, CancellationToken cancel = default);

    /// <summary>
    /// Removes entries taken before <paramref name="olderThan"/> (unix milliseconds), of one account or of all (null), one slice of at
    /// most <paramref name="maxRows"/>; returns how many went, call again until 0. What is pending above the account's highest
    /// cursor stays unless <paramref name="evenPending"/>. (SQLite: all commits wait for a slice, some 6 µs a row.)
    /// </summary>
    public abstract Task<int> TrimAsync(long? account, long olderThan, int maxRows, bool evenPending = false, CancellationToken cancel = default);

    /// <summary>Removes what is left of the logs of deleted accounts, in slices; also done at start and now and then. Returns the rows removed.</summary>
    public abstract Task<long> PurgeDeletedAsync(CancellationToken cancel = default);

    /// <summary>Completes when everything committed until now is in the indexes.</summary>
    public abstract Task IndexAllAsync();

    /// <summary>Commits what is queued, cursors too.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Begins to remove, from time to time, what nobody needs any more.</summary>
    protected void BeginPurging() => _purging = Task.Run(PurgeNowAndThenAsync, CancellationToken.None);

    protected async Task EndPurgingAsync()
    {
        await _closing.CancelAsync();
        await _purging;
        _closing.Dispose();
    }

    private async Task PurgeNowAndThenAsync()
    {
        using var timer = new PeriodicTimer(PurgeInterval, database.Time);
        try
        {
            do
            {
                try
                {
                    await PurgeDeletedAsync(_closing.Token);
                    while (await Resumptions.PruneAsync(_closing.Token) > 0) { }
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
