using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>Writes entries into the log, on the writer thread. Its part in each batch is to show or forget them in the tail.</summary>
internal sealed class LogWriter(LogTail tail) : IBatchPart
{
    private const string Insert =
        "INSERT INTO log (pos, account, seq, direction, flags, peer, target, sender, device, origin_id, message_id, at, stanza) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)";

    private long _nextPos = tail.LastPos + 1;

    /// <exception cref="FencedException">Its number is not above the account's last.</exception>
    public void Write(SqliteStoreConnection connection, LogEntry entry)
    {
        var pos = _nextPos++; // positions of failed entries stay unused
        tail.Stage(connection, entry, pos);
        var insert = connection.Prepare(Insert);
        try
        {
            insert.Bind(1, pos).Bind(2, entry.Account).Bind(3, entry.Seq).Bind(4, (long)entry.Direction).Bind(5, (long)entry.Flags)
                .Bind(6, entry.Peer).Bind(7, entry.Target).Bind(8, entry.Sender).Bind(9, entry.Device)
                .Bind(10, entry.OriginId).Bind(11, entry.MessageId).Bind(12, entry.At).Bind(13, entry.Stanza);
            insert.Step();
        }
        catch
        {
            tail.UnstageLast();
            throw;
        }
        finally
        {
            insert.Reset();
        }
    }

    public bool Wants(Moment moment) => false;

    public void Write(SqliteStoreConnection connection, Moment moment) { }

    public void Committed() => tail.Commit();

    public void RolledBack() => tail.Rollback();
}
