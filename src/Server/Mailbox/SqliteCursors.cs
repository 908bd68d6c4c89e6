using Indaba.Server.Storage;
using SQLitePCL;

namespace Indaba.Server.Mailbox;

/// <summary>Writes the cursors with the commits of SQLite's writer.</summary>
internal sealed class SqliteCursors(Cursors cursors) : IBatchPart
{
    /// <summary>Rows in one batch: at most some two milliseconds for those whose commit carries them.</summary>
    private const int RowsPerBatch = 512;

    private bool _flush, _taken;

    /// <summary>Has all written with the open batch; called on the writer thread.</summary>
    public void Flush() => _flush = true; // the parts of a batch are written after its jobs, in the same transaction

    public bool Wants(Moment moment) => (cursors.Due || _flush || moment == Moment.Closing) && cursors.Any;

    public void Write(SqliteStoreConnection connection, Moment moment)
    {
        var all = _flush || moment == Moment.Closing;
        _taken = true;
        foreach (var (account, moves) in cursors.Take(all, all ? int.MaxValue : RowsPerBatch))
            foreach (var move in moves) Write(connection, account, move);
    }

    public void Committed()
    {
        if (_taken || cursors.Due) cursors.Written();
        (_taken, _flush) = (false, false);
    }

    public void RolledBack()
    {
        if (_taken) cursors.Undone();
        (_taken, _flush) = (false, false);
    }

    private static void Write(SqliteStoreConnection connection, long account, in Cursors.Moved move)
    {
        var update = connection.Prepare("UPDATE cursor SET at = CASE WHEN acked_seq < ?4 THEN ?5 ELSE at END, acked_seq = max(acked_seq, ?4) WHERE account = ?1 AND device = ?2 AND resource = ?3");
        update.Bind(1, account).Bind(2, move.Device).Bind(3, move.Resource).Bind(4, move.Seq).Bind(5, move.At);
        try
        {
            update.Step();
        }
        finally
        {
            update.Reset();
        }
        if (raw.sqlite3_changes(connection.Handle) > 0) return;
        connection.Run("INSERT INTO cursor (account, device, resource, acked_seq, at) VALUES (@account, @device, @resource, @seq, @at)",
            ("account", account), ("device", move.Device), ("resource", move.Resource), ("seq", move.Seq), ("at", move.At));
        connection.Run("""
            DELETE FROM cursor WHERE account = @account AND (device, resource) IN
                (SELECT device, resource FROM cursor WHERE account = @account ORDER BY at DESC, acked_seq DESC LIMIT @many OFFSET @keep)
            """, ("account", account), ("many", (long)int.MaxValue), ("keep", (long)Cursors.MaxPerAccount));
    }
}
