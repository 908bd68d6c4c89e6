using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// One log entry on its way to the disk. Derive from it to learn the end; exactly one of <see cref="WriteItem.Committed"/> and
/// <see cref="WriteItem.Failed"/> is called, once, on a completion loop, for each account in the order in which its appends
/// were enqueued. Neither may block: others' completions wait behind it.
/// <para>It fails when the disk is full or broken, when a sequence number was used before (<see cref="SequenceException"/>), or
/// when the log is closed. After a power failure an entry whose commit itself failed may nevertheless be found in the log.</para>
/// </summary>
internal abstract class Append : WriteItem
{
    /// <summary>What is appended.</summary>
    public required LogEntry Entry { get; init; }

    /// <summary>Under which claim of the account's log (see <see cref="MailboxLog.OpenAsync(long, int, CancellationToken)"/>); 0 where nobody else can write.</summary>
    public long Epoch { get; init; }

    internal LogWriter? Log { get; set; }

    internal sealed override int Rows => 1;

    internal sealed override void Apply(StoreConnection connection) => Log!.Write(connection, Entry);
}

/// <summary>
/// The number of an entry is not above the last one of its account, or the log was claimed by another node: two states of
/// one account are alive. The one that gets this has lost: it must let go, and acknowledge nothing.
/// </summary>
internal sealed class SequenceException(long account, long seq, long last)
    : Exception($"Entry {seq} of account {account} is not above the last one, {last}, or the log is another node's")
{
    public long Account { get; } = account;
    public long LastSeq { get; } = last;
}

/// <summary>What an account's state begins with.</summary>
/// <param name="Epoch">The claim of the log; every append carries it.</param>
/// <param name="LastSeq">The highest number of the log, 0 when it never had one.</param>
/// <param name="Cursors">What its devices have acked.</param>
/// <param name="Tail">The keys of the last entries, ascending.</param>
internal sealed record LogHead(long Epoch, long LastSeq, IReadOnlyList<Cursor> Cursors, IReadOnlyList<TailKey> Tail);
