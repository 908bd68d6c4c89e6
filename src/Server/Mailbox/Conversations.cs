using System.Runtime.InteropServices;
using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>How far a peer has got with what the account sent: numbers of the account's log, times in unix milliseconds, 0 for never.</summary>
internal sealed record Conversation(string Peer, long DeliveredSeq, long DeliveredAt, long DisplayedSeq, long DisplayedAt);

/// <summary>The ticks of one-to-one conversations. They never move back.</summary>
internal sealed class Conversations
{
    private readonly Database _database;
    private readonly Action<int> _moved;
    private readonly Part[] _parts;

    internal record struct Ticks(long DeliveredSeq, long DeliveredAt, long DisplayedSeq, long DisplayedAt)
    {
        /// <summary>The later of both, tick by tick; the time belongs to the number.</summary>
        public void Merge(in Ticks other)
        {
            if (other.DeliveredSeq > DeliveredSeq) (DeliveredSeq, DeliveredAt) = (other.DeliveredSeq, other.DeliveredAt);
            if (other.DisplayedSeq > DisplayedSeq) (DisplayedSeq, DisplayedAt) = (other.DisplayedSeq, other.DisplayedAt);
        }
    }

    /// <summary>Those whose accounts share a writer.</summary>
    private sealed class Part
    {
        public readonly Lock Gate = new();
        public Dictionary<(long Account, string Peer), Ticks> Moved = [], Writing = [];
    }

    /// <param name="parts">Writers; an account's is its id modulo this.</param>
    /// <param name="moved">Called with the number of a part when something waits in it again.</param>
    internal Conversations(Database database, int parts, Action<int> moved)
    {
        (_database, _moved) = (database, moved);
        _parts = new Part[parts];
        for (var i = 0; i < parts; i++) _parts[i] = new Part();
    }

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

    // --- for the writers ---

    internal bool Any(int part)
    {
        lock (_parts[part].Gate) return _parts[part].Moved.Count > 0;
    }

    /// <summary>
    /// Takes what waits, to be written; ended by <see cref="Written"/> or <see cref="Undone"/>. Take the appends of the batch before: then
    /// every tick moved before one of them was enqueued is among these.
    /// </summary>
    internal IReadOnlyDictionary<(long Account, string Peer), Ticks> Take(int part)
    {
        var p = _parts[part];
        lock (p.Gate) (p.Moved, p.Writing) = (p.Writing, p.Moved);
        return p.Writing;
    }

    internal void Written(int part)
    {
        var p = _parts[part];
        lock (p.Gate) p.Writing.Clear();
    }

    internal void Undone(int part)
    {
        var p = _parts[part];
        lock (p.Gate)
        {
            foreach (var (key, ticks) in p.Writing) Add(p.Moved, key, ticks);
            p.Writing.Clear();
        }
    }

    private int PartOf(long account) => (int)((ulong)account % (ulong)_parts.Length);

    private void Move(long account, string peer, in Ticks ticks)
    {
        var number = PartOf(account);
        var part = _parts[number];
        bool first;
        lock (part.Gate)
        {
            first = part.Moved.Count == 0;
            Add(part.Moved, (account, peer), ticks);
        }
        if (first) _moved(number);
    }

    private static void Add(Dictionary<(long, string), Ticks> moved, (long, string) key, in Ticks ticks) =>
        CollectionsMarshal.GetValueRefOrAddDefault(moved, key, out _).Merge(ticks);

    private Ticks Unwritten(long account, string peer)
    {
        var part = _parts[PartOf(account)];
        lock (part.Gate)
        {
            var ticks = part.Writing.GetValueOrDefault((account, peer));
            if (part.Moved.TryGetValue((account, peer), out var moved)) ticks.Merge(moved);
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
