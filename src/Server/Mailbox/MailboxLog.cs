using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// The logs of all accounts: append-only, committed in groups, read by number, by peer and by time. (Not called Mailbox
/// because the namespace has that name.)
/// </summary>
internal sealed class MailboxLog : IAsyncDisposable
{
    /// <summary>Opens the logs of a database. Dispose it before the database.</summary>
    public static Task<MailboxLog> OpenAsync(Database database, ILoggerFactory logs, CancellationToken cancel = default) => throw new NotImplementedException();

    public Cursors Cursors => throw new NotImplementedException();
    public Conversations Conversations => throw new NotImplementedException();

    /// <summary>Called on the completion loop after the completions of each batch: the moment to flush sockets once.</summary>
    public Action? BatchCompleted { get; set; }

    /// <summary>Appends and jobs that wait for their commit.</summary>
    public int QueueLength => throw new NotImplementedException();

    /// <summary>How long the oldest of them has waited.</summary>
    public TimeSpan OldestWaiting => throw new NotImplementedException();

    /// <summary>Queues an append for the next commit. Thread-safe, never blocks; commits in the order of the calls.</summary>
    public void Enqueue(Append append) => throw new NotImplementedException();

    /// <summary>The highest number of an account's log, 0 when it is empty.</summary>
    public Task<long> LastSeqAsync(long account, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Incoming entries to be delivered with a number above <paramref name="afterSeq"/>, ascending.</summary>
    public Task<IReadOnlyList<LogEntry>> ReadPendingAsync(long account, long afterSeq, int limit, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>All entries from one number to another, both included, ascending.</summary>
    public Task<IReadOnlyList<LogEntry>> ReadAsync(long account, long fromSeq, long toSeq, int limit, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>One entry, or null.</summary>
    public Task<LogEntry?> FindAsync(long account, long seq, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>The keys of the last <paramref name="count"/> entries, ascending.</summary>
    public Task<IReadOnlyList<TailKey>> TailKeysAsync(long account, int count, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>The newest entry with a peer that has this stanza id, among the last <paramref name="maxScan"/> with that peer; or null.</summary>
    public Task<LogEntry?> FindByMessageIdAsync(long account, string peer, string messageId, Direction direction, int maxScan, CancellationToken cancel = default) =>
        throw new NotImplementedException();

    /// <summary>A page of an account's archive (XEP-0313).</summary>
    public Task<ArchivePage> QueryAsync(ArchiveQuery query, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>The first and last entry of an account's archive; null when it is empty.</summary>
    public Task<ArchiveBounds?> BoundsAsync(long account, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>
    /// Removes entries taken before <paramref name="olderThan"/> (unix milliseconds), of one account or of all (null), one slice of at
    /// most <paramref name="maxRows"/>; returns how many went, call again until 0. What is pending above the account's highest
    /// cursor stays unless <paramref name="evenPending"/>.
    /// </summary>
    public Task<int> TrimAsync(long? account, long olderThan, int maxRows, bool evenPending = false, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Removes what is left of the logs of deleted accounts, in slices; also done at start and now and then. Returns the rows removed.</summary>
    public Task<long> PurgeDeletedAsync(CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Commits what is queued, cursors too.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
