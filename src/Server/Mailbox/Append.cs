namespace Indaba.Server.Mailbox;

/// <summary>
/// One or two log entries (the recipient's copy and the sender's) that are committed together. Derive from it to
/// learn the end; exactly one of <see cref="Committed"/> and <see cref="Failed"/> is called, once, on the completion loop,
/// in the order in which the appends were enqueued.
/// </summary>
internal abstract class Append
{
    public required LogEntry First { get; init; }
    public LogEntry? Second { get; init; }

    /// <summary>Both entries are on disk. Must not block: everybody's completions wait behind it.</summary>
    public abstract void Committed();

    /// <summary>
    /// The commit failed (disk full, input or output error, a sequence number that was used, or the log is closed).
    /// After a power failure an entry that failed in the commit itself may nevertheless be found in the log.
    /// </summary>
    public abstract void Failed(Exception error);
}
