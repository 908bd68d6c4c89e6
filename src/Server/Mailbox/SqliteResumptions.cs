using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>Writes what is known of resumable sessions with the commits of SQLite's writer.</summary>
internal sealed class SqliteResumptions(Resumptions resumptions) : IBatchPart
{
    private bool _flush, _taken;

    /// <summary>Has all written with the open batch; called on the writer thread.</summary>
    public void Flush() => _flush = true;

    public bool Wants(Moment moment) => (resumptions.Due || _flush || moment == Moment.Closing) && resumptions.Any;

    public void Write(SqliteStoreConnection connection, Moment moment)
    {
        _taken = true;
        foreach (var (id, noted) in resumptions.Take())
        {
            if (noted.Account is not { } account) connection.Run("DELETE FROM resumption WHERE id = @id", ("id", id));
            else connection.Run("""
                INSERT INTO resumption (id, account, handled, at) VALUES (@id, @account, @handled, @at)
                ON CONFLICT (id) DO UPDATE SET account = excluded.account, handled = excluded.handled, at = excluded.at
                """, ("id", id), ("account", account), ("handled", (long)noted.Handled), ("at", noted.At));
        }
    }

    public void Committed()
    {
        if (_taken) resumptions.Written();
        (_taken, _flush) = (false, false);
    }

    public void RolledBack()
    {
        if (_taken) resumptions.Undone();
        (_taken, _flush) = (false, false);
    }
}
