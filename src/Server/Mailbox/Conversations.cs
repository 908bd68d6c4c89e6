using System.Runtime.InteropServices;
using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>How far a peer has got with what the account sent: numbers of the account's log, times in unix milliseconds, 0 for never.</summary>
internal sealed record Conversation(string Peer, long DeliveredSeq, long DeliveredAt, long DisplayedSeq, long DisplayedAt);

/// <summary>The ticks of one-to-one conversations. They never move back.</summary>
internal sealed class Conversations : IBatchPart
{
    private readonly Database _database;
    private readonly Lock _gate = new();
    private Dictionary<(long Account, string Peer), Ticks> _moved = [], _writing = [];
    private bool _wrote;

    private record struct Ticks(long DeliveredSeq, long DeliveredAt, long DisplayedSeq, long DisplayedAt)
    {
        /// <summary>The later of both, tick by tick; the time belongs to the number.</summary>
        public void Merge(in Ticks other)
        {
            if (other.DeliveredSeq > DeliveredSeq) (DeliveredSeq, DeliveredAt) = (other.DeliveredSeq, other.DeliveredAt);
            if (other.DisplayedSeq > DisplayedSeq) (DisplayedSeq, DisplayedAt) = (other.DisplayedSeq, other.DisplayedAt);
        }
    }

    internal Conversations(Database database) => _database = database;

    /// <summary>
    /// The peer has received everything up to a number. Thread-safe, never blocks; written with the next commit batch, so it is
    /// on disk when an <see cref="Append"/> that was enqueued after this call is committed.
    /// </summary>
    public void Delivered(long account, string peer, long seq, long at) => Move(account, peer, new Ticks(seq, at, 0, 0));

    /// <summary>The peer's user has seen everything up to a number (it was delivered then, too). Otherwise as <see cref="Delivered"/>.</summary>
    public void Displayed(long account, string peer, long seq, long at) => Move(account, peer, new Ticks(seq, at, seq, at));

    /// <summary>One conversation, or null; unwritten changes are included.</summary>
    public async Task<Conversation?> FindAsync(long account, string peer, CancellationToken cancel = default)
    {
        var unwritten = Unwritten(account, peer);
        var row = await _database.ReadAsync((account, peer), static (connection, key) => connection.Row(
            "SELECT peer, delivered_seq, delivered_at, displayed_seq, displayed_at FROM conversation WHERE account = @account AND peer = @peer",
            Read, ("account", key.account), ("peer", key.peer)), cancel);
        return Merge(peer, row, unwritten);
    }

    /// <summary>Conversations with a peer above <paramref name="after"/> in ordinal order (null: from the first), as of the last commit.</summary>
    public async Task<IReadOnlyList<Conversation>> ListAsync(long account, int limit, string? after = null, CancellationToken cancel = default) =>
        await _database.ReadAsync((account, limit, after), static (connection, page) => connection.Rows(
            "SELECT peer, delivered_seq, delivered_at, displayed_seq, displayed_at FROM conversation WHERE account = @account AND peer > @after ORDER BY peer LIMIT @limit",
            Read, ("account", page.account), ("after", page.after ?? ""), ("limit", page.limit)), cancel);

    bool IBatchPart.Wants(Moment moment)
    {
        lock (_gate) return _moved.Count > 0;
    }

    void IBatchPart.Write(StoreConnection connection, Moment moment)
    {
        lock (_gate) (_moved, _writing) = (_writing, _moved);
        _wrote = true;
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
            foreach (var ((account, peer), ticks) in _writing)
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

    void IBatchPart.Committed()
    {
        if (!_wrote) return;
        _wrote = false;
        lock (_gate) _writing.Clear();
    }

    void IBatchPart.RolledBack()
    {
        if (!_wrote) return;
        _wrote = false;
        lock (_gate)
        {
            foreach (var (key, ticks) in _writing) Add(key, ticks);
            _writing.Clear();
        }
    }

    private void Move(long account, string peer, in Ticks ticks)
    {
        bool first;
        lock (_gate)
        {
            first = _moved.Count == 0;
            Add((account, peer), ticks);
        }
        if (first) _database.Writer.Wake();
    }

    private void Add((long, string) key, in Ticks ticks) => CollectionsMarshal.GetValueRefOrAddDefault(_moved, key, out _).Merge(ticks);

    private Ticks Unwritten(long account, string peer)
    {
        lock (_gate)
        {
            var ticks = _writing.GetValueOrDefault((account, peer));
            if (_moved.TryGetValue((account, peer), out var moved)) ticks.Merge(moved);
            return ticks;
        }
    }

    private static Conversation? Merge(string peer, Conversation? row, Ticks unwritten)
    {
        if (row is null && unwritten == default) return null;
        var ticks = row is null ? default : new Ticks(row.DeliveredSeq, row.DeliveredAt, row.DisplayedSeq, row.DisplayedAt);
        ticks.Merge(unwritten);
        return new Conversation(peer, ticks.DeliveredSeq, ticks.DeliveredAt, ticks.DisplayedSeq, ticks.DisplayedAt);
    }

    private static Conversation Read(System.Data.Common.DbDataReader row) =>
        new(row.GetString(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4));
}
