using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// Reads the log in two steps: positions from an index and the tail, then rows by position. The tail must have been looked at
/// before the connection's snapshot began (see <see cref="AccountTail.Select"/>).
/// </summary>
internal static class LogReader
{
    private const string Columns = "account, seq, direction, flags, peer, target, sender, device, origin_id, message_id, at, stanza";

    /// <summary>What is known of an account whose entries are all indexed (up to a position): its last number and highest time.</summary>
    public static AccountTail ReadLast(SqliteStoreConnection connection, long account, long throughPos)
    {
        var tail = new AccountTail();
        var last = connection.Prepare("SELECT seq, at + lag FROM log_index WHERE account = ? AND pos <= ? ORDER BY seq DESC LIMIT 1").Bind(1, account).Bind(2, throughPos);
        try
        {
            if (last.Step()) (tail.LastSeq, tail.High) = (last.Long(0), last.Long(1));
        }
        finally
        {
            last.Reset();
        }
        tail.LastSeq = Math.Max(tail.LastSeq, ReadTrimmed(connection, account));
        return tail;
    }

    /// <summary>The highest number that was ever trimmed away; numbers must go on above it, or old cursors would swallow new entries.</summary>
    public static long ReadTrimmed(SqliteStoreConnection connection, long account)
    {
        var trimmed = connection.Prepare("SELECT last_seq FROM log_trimmed WHERE account = ?").Bind(1, account);
        try
        {
            return trimmed.Step() ? trimmed.Long(0) : 0;
        }
        finally
        {
            trimmed.Reset();
        }
    }

    /// <summary>Adds the positions of matching entries that lie below <paramref name="boundary"/> until there are <paramref name="limit"/>.</summary>
    public static void SelectIndexed(SqliteStoreConnection connection, in LogFilter filter, long boundary, int limit, bool fromEnd, List<IndexEntry> into)
    {
        var to = Math.Min(filter.To, boundary == long.MaxValue ? long.MaxValue : boundary - 1);
        if (into.Count >= limit || filter.From > to) return;
        var statement = connection.Prepare((filter.Peer is null, fromEnd) switch
        {
            (true, false) => "SELECT seq, pos, kind, at FROM log_index WHERE account = ?1 AND seq BETWEEN ?2 AND ?3 AND kind & ?4 = ?5 AND at BETWEEN ?6 AND ?7 ORDER BY seq LIMIT ?8",
            (true, true) => "SELECT seq, pos, kind, at FROM log_index WHERE account = ?1 AND seq BETWEEN ?2 AND ?3 AND kind & ?4 = ?5 AND at BETWEEN ?6 AND ?7 ORDER BY seq DESC LIMIT ?8",
            (false, false) => "SELECT seq, pos, kind, at FROM peer_index WHERE account = ?1 AND peer = ?9 AND seq BETWEEN ?2 AND ?3 AND kind & ?4 = ?5 AND at BETWEEN ?6 AND ?7 ORDER BY seq LIMIT ?8",
            (false, true) => "SELECT seq, pos, kind, at FROM peer_index WHERE account = ?1 AND peer = ?9 AND seq BETWEEN ?2 AND ?3 AND kind & ?4 = ?5 AND at BETWEEN ?6 AND ?7 ORDER BY seq DESC LIMIT ?8",
        });
        Bind(statement, filter, to).Bind(8, limit - into.Count);
        try
        {
            while (statement.Step())
                into.Add(new IndexEntry(filter.Account, statement.Long(0), statement.Long(1), (byte)statement.Long(2), statement.Long(3), 0, filter.Peer ?? ""));
        }
        finally
        {
            statement.Reset();
        }
    }

    /// <summary>How many entries below the boundary match, counting no further than <paramref name="limit"/>.</summary>
    public static long CountIndexed(SqliteStoreConnection connection, in LogFilter filter, long boundary, int limit)
    {
        var to = Math.Min(filter.To, boundary == long.MaxValue ? long.MaxValue : boundary - 1);
        if (filter.From > to) return 0;
        var statement = connection.Prepare(filter.Peer is null
            ? "SELECT count(*) FROM (SELECT 1 FROM log_index WHERE account = ?1 AND seq BETWEEN ?2 AND ?3 AND kind & ?4 = ?5 AND at BETWEEN ?6 AND ?7 LIMIT ?8)"
            : "SELECT count(*) FROM (SELECT 1 FROM peer_index WHERE account = ?1 AND peer = ?9 AND seq BETWEEN ?2 AND ?3 AND kind & ?4 = ?5 AND at BETWEEN ?6 AND ?7 LIMIT ?8)");
        Bind(statement, filter, to).Bind(8, limit);
        try
        {
            return statement.Step() ? statement.Long(0) : 0;
        }
        finally
        {
            statement.Reset();
        }
    }

    /// <summary>
    /// The first number, below the boundary, up to which the account's clock had reached a time. At + lag never falls, so
    /// a few probes find it. <see cref="long.MaxValue"/> when no indexed entry is that late.
    /// </summary>
    public static long FirstSeqAt(SqliteStoreConnection connection, long account, long time, long boundary)
    {
        var upper = boundary == long.MaxValue ? long.MaxValue : boundary - 1;
        var probe = connection.Prepare("SELECT seq, at + lag FROM log_index WHERE account = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT 1").Bind(1, account);
        var last = connection.Prepare("SELECT seq, at + lag FROM log_index WHERE account = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1").Bind(1, account).Bind(2, upper);
        try
        {
            if (!last.Step() || last.Long(1) < time) return long.MaxValue;
            long low = 0, high = last.Long(0), found = high;
            while (low <= high)
            {
                var middle = low + (high - low) / 2;
                probe.Reset();
                if (!probe.Bind(2, middle).Bind(3, high).Step()) high = middle - 1;
                else if (probe.Long(1) < time) low = probe.Long(0) + 1;
                else (found, high) = (probe.Long(0), middle - 1);
            }
            return found;
        }
        finally
        {
            probe.Reset();
            last.Reset();
        }
    }

    /// <summary>The row at a position, or null when it was trimmed away.</summary>
    public static LogEntry? Fetch(SqliteStoreConnection connection, long pos)
    {
        var row = connection.Prepare($"SELECT {Columns} FROM log WHERE pos = ?").Bind(1, pos);
        try
        {
            return row.Step() ? Read(row) : null;
        }
        finally
        {
            row.Reset();
        }
    }

    /// <summary>The rows at positions, without those trimmed away.</summary>
    public static List<LogEntry> Fetch(SqliteStoreConnection connection, List<IndexEntry> keys)
    {
        var entries = new List<LogEntry>(keys.Count);
        foreach (var key in keys)
            if (Fetch(connection, key.Pos) is { } entry) entries.Add(entry);
        return entries;
    }

    /// <summary>As <see cref="Fetch(SqliteStoreConnection, List{IndexEntry})"/>, up to the entry with which the stanzas would exceed <paramref name="maxBytes"/>; one is always read.</summary>
    public static List<LogEntry> Fetch(SqliteStoreConnection connection, List<IndexEntry> keys, long maxBytes, out bool all)
    {
        var entries = new List<LogEntry>(keys.Count);
        all = true;
        foreach (var key in keys)
        {
            if (Fetch(connection, key.Pos) is not { } entry) continue;
            maxBytes -= entry.Stanza.Length;
            if (maxBytes < 0 && entries.Count > 0)
            {
                all = false;
                break;
            }
            entries.Add(entry);
        }
        return entries;
    }

    public static TailKey? FetchKey(SqliteStoreConnection connection, long pos)
    {
        var row = connection.Prepare("SELECT seq, direction, peer, device, origin_id, message_id FROM log WHERE pos = ?").Bind(1, pos);
        try
        {
            return row.Step()
                ? new TailKey(row.Long(0), (Direction)row.Long(1), row.Text(2), row.Text(3), row.TextOrNull(4), row.TextOrNull(5))
                : null;
        }
        finally
        {
            row.Reset();
        }
    }

    /// <summary>
    /// Whether the far end of an entry was a full JID: the sender of an incoming one, the address of an outgoing one.
    /// </summary>
    public static bool IsWith(SqliteStoreConnection connection, long pos, string jid, string resource)
    {
        var row = connection.Prepare("SELECT direction, sender, target FROM log WHERE pos = ?").Bind(1, pos);
        try
        {
            return row.Step() && (row.Long(0) == (long)Direction.In ? row.Text(1) == jid : row.TextOrNull(2) == resource);
        }
        finally
        {
            row.Reset();
        }
    }

    private static Statement Bind(Statement statement, in LogFilter filter, long to)
    {
        statement.Bind(1, filter.Account).Bind(2, filter.From).Bind(3, to).Bind(4, filter.KindMask).Bind(5, filter.Kind).Bind(6, filter.Start).Bind(7, filter.End);
        if (filter.Peer is not null) statement.Bind(9, filter.Peer);
        return statement;
    }

    private static LogEntry Read(Statement row) => new()
    {
        Account = row.Long(0),
        Seq = row.Long(1),
        Direction = (Direction)row.Long(2),
        Flags = (EntryFlags)row.Long(3),
        Peer = row.Text(4),
        Target = row.TextOrNull(5),
        Sender = row.Text(6),
        Device = row.Text(7),
        OriginId = row.TextOrNull(8),
        MessageId = row.TextOrNull(9),
        At = row.Long(10),
        Stanza = row.Bytes(11),
    };
}
