using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// A log entry on its way to the disk. Derive from it to learn the end; exactly one of <see cref="WriteItem.Committed"/> and
/// <see cref="WriteItem.Failed"/> is called, once, on a completion loop, for each account in the order in which its appends
/// were enqueued. Neither may block: other completions wait behind it.
/// <para>It fails when somebody else has the account by now, or a number is used again (<see cref="FencedException"/>), when
/// the database refuses the entry, when SQLite's disk is full or broken, or when the log is closed. After a power failure an
/// entry whose commit itself failed may nevertheless be found in the log. While PostgreSQL cannot be reached it waits.</para>
/// </summary>
internal abstract class Append : WriteItem
{
    public required LogEntry Entry { get; init; }

    /// <summary>What <see cref="MailboxLog.OpenAsync(long, int, CancellationToken)"/> gave to the state of the account that appends.</summary>
    public long Epoch { get; init; }

    /// <summary>SQLite's.</summary>
    internal LogWriter? Log { get; set; }

    internal sealed override int Rows => 1;

    internal sealed override void Apply(SqliteStoreConnection connection) => Log!.Write(connection, Entry);
}

/// <summary>
/// Another state of the account is alive and has the log: a node has claimed it since, or the number of the entry is not
/// above the last one. The one that gets this must go, and what it wanted to write is the other's to write.
/// </summary>
internal sealed class FencedException(long account, long seq)
    : Exception($"Entry {seq} of account {account} is refused: another state of the account has written to its log or claimed it")
{
    public long Account { get; } = account;
    public long Seq { get; } = seq;
}
