using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// One or two log entries (the recipient's copy and the sender's) that are committed together. Derive from it to
/// learn the end; exactly one of <see cref="WriteItem.Committed"/> and <see cref="WriteItem.Failed"/> is called, once, on the
/// completion loop, in the order in which the appends were enqueued. Neither may block: everybody's completions wait behind it.
/// <para>It fails when the disk is full or broken, when a sequence number was used before (<see cref="SequenceException"/>), or
/// when the log is closed. After a power failure an entry whose commit itself failed may nevertheless be found in the log.</para>
/// </summary>
internal abstract class Append : WriteItem
{
    public required LogEntry First { get; init; }
    public LogEntry? Second { get; init; }

    internal LogWriter? Log { get; set; }

    internal sealed override int Rows => Second is null ? 1 : 2;

    internal sealed override void Apply(StoreConnection connection)
    {
        Log!.Write(connection, First);
        if (Second is null) return;
        try
        {
            Log.Write(connection, Second);
        }
        catch
        {
            if (Dialect.InTransaction(connection)) Log.UndoLast(connection);
            throw;
        }
    }
}

/// <summary>
/// The number of an entry is not above the last one of its account: two states of one account are alive. The one
/// that gets this should read the log again before it goes on.
/// </summary>
internal sealed class SequenceException(long account, long seq, long last)
    : Exception($"Entry {seq} of account {account} is not above the last one, {last}")
{
    public long Account { get; } = account;
    public long LastSeq { get; } = last;
}
