using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>Writes the ticks with the commits of SQLite's writer.</summary>
internal sealed class SqliteConversations(Conversations conversations) : IBatchPart
{
    private bool _taken;

    public bool Wants(Moment moment) => conversations.Any(0);

    public void Write(SqliteStoreConnection connection, Moment moment)
    {
        _taken = true;
        var ticking = conversations.Take(0);
        var upsert = connection.Prepare("""
            INSERT INTO conversation (account, peer, delivered_seq, delivered_at, displayed_seq, displayed_at) VALUES (?,?,?,?,?,?)
            ON CONFLICT (account, peer) DO UPDATE SET
                delivered_at = CASE WHEN excluded.delivered_seq > delivered_seq THEN excluded.delivered_at ELSE delivered_at END,
                delivered_seq = max(delivered_seq, excluded.delivered_seq),
                displayed_at = CASE WHEN excluded.displayed_seq > displayed_seq THEN excluded.displayed_at ELSE displayed_at END,
                displayed_seq = max(displayed_seq, excluded.displayed_seq)
            """);
        try
        {
            foreach (var ((account, peer), ticks) in ticking)
            {
                upsert.Bind(1, account).Bind(2, peer).Bind(3, ticks.DeliveredSeq).Bind(4, ticks.DeliveredAt).Bind(5, ticks.DisplayedSeq).Bind(6, ticks.DisplayedAt).Step();
                upsert.Reset();
            }
        }
        finally
        {
            upsert.Reset();
        }
    }

    public void Committed()
    {
        if (_taken) conversations.Written(0);
        _taken = false;
    }

    public void RolledBack()
    {
        if (_taken) conversations.Undone(0);
        _taken = false;
    }
}
