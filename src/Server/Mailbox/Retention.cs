using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>Removes old entries, and those of deleted accounts, in slices that no commit has to wait long for.</summary>
internal sealed class Retention(SqliteDatabase database, LogTail tail, LogIndexer indexer) : IDisposable
{
    private const int PurgeRows = 256;
    /// <summary>How long the log of a deleted account is looked at again: an append may have been on its way.</summary>
    private static readonly TimeSpan PurgeAgain = TimeSpan.FromHours(1);
    /// <summary>How far behind their turn entries of different accounts may be in the log.</summary>
    private const long Disorder = 60_000;

    private readonly SemaphoreSlim _one = new(1, 1);
    private long _sweep;        // position up to which the present sweep over all accounts has come

    private readonly record struct Row(long Pos, long Account, long Seq, string Peer, long Kind, long At);

    public async Task<int> TrimAsync(long? account, long olderThan, int maxRows, bool evenPending, CancellationToken cancel)
    {
        await _one.WaitAsync(cancel);
        try
        {
            await indexer.IndexAllAsync().WaitAsync(cancel);
            var resume = account is null ? _sweep : 0;
            while (true)
            {
                var from = resume;
                var (removed, next) = await database.WriteRawAsync(
                    connection => account is { } one
                        ? TrimAccount(connection, one, from, olderThan, maxRows, evenPending)
                        : TrimAll(connection, from, olderThan, maxRows, evenPending), cancel);
                resume = next ?? 0;
                if (account is null) _sweep = resume;
                if (removed > 0 || next is null) return removed;
            }
        }
        finally
        {
            _one.Release();
        }
    }

    public async Task<long> PurgeDeletedAsync(CancellationToken cancel)
    {
        await _one.WaitAsync(cancel);
        try
        {
            var accounts = await database.ReadRawAsync(0, static (connection, _) =>
                connection.Rows("SELECT account FROM log_purge", static row => row.GetInt64(0)), cancel);
            if (accounts.Count == 0) return 0;
            await indexer.IndexAllAsync().WaitAsync(cancel);
            var removed = 0L;
            foreach (var account in accounts)
            {
                int slice;
                do
                {
                    slice = await database.WriteRawAsync(connection => PurgeSlice(connection, account), cancel);
                    removed += slice;
                }
                while (slice > 0);
            }
            return removed;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private int PurgeSlice(SqliteStoreConnection connection, long account)
    {
        var rows = Select(connection, "SELECT i.pos, i.account, i.seq, l.peer, i.kind, i.at FROM log_index i CROSS JOIN log l ON l.pos = i.pos WHERE i.account = ?1 LIMIT ?2", account, PurgeRows);
        foreach (var row in rows) Delete(connection, row);
        if (rows.Count > 0) return rows.Count;
        var now = database.Time.GetUtcNow();
        connection.Run("DELETE FROM log_index WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM peer_index WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM log_trimmed WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM cursor WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM resumption WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM conversation WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM log_purge WHERE account = @account AND at < @before", ("account", account), ("before", (now - PurgeAgain).ToUnixTimeMilliseconds()));
        return 0;
    }

    private (int Removed, long? Next) TrimAccount(SqliteStoreConnection connection, long account, long afterSeq, long olderThan, int maxRows, bool evenPending)
    {
        var rows = Select(connection, "SELECT i.pos, i.account, i.seq, l.peer, i.kind, i.at FROM log_index i CROSS JOIN log l ON l.pos = i.pos WHERE i.account = ?1 AND i.seq > ?3 ORDER BY i.seq LIMIT ?2", account, maxRows, afterSeq);
        var (removed, ended) = Trim(connection, rows, olderThan, tail.ClockStep, evenPending);
        return (removed, ended || rows.Count < maxRows ? null : rows[^1].Seq);
    }

    private (int Removed, long? Next) TrimAll(SqliteStoreConnection connection, long afterPos, long olderThan, int maxRows, bool evenPending)
    {
        var rows = Select(connection, "SELECT pos, account, seq, peer, flags | (direction << 3), at FROM log WHERE pos > ?1 AND pos <= ?3 ORDER BY pos LIMIT ?2",
            afterPos, maxRows, LogState.Get(connection, LogState.IndexedPos));
        var (removed, ended) = Trim(connection, rows, olderThan, tail.ClockStep + Disorder, evenPending);
        return (removed, ended || rows.Count < maxRows ? null : rows[^1].Pos);
    }

    /// <summary>Removes what may go; Ended when a row is so young that no later one can be old.</summary>
    private static (int Removed, bool Ended) Trim(SqliteStoreConnection connection, List<Row> rows, long olderThan, long disorder, bool evenPending)
    {
        var acked = new Dictionary<long, long>();
        var last = new Dictionary<long, long>();
        var removed = 0;
        var ended = false;
        foreach (var row in rows)
        {
            if (row.At - disorder >= olderThan)
            {
                ended = true;
                break;
            }
            if (row.At >= olderThan || !evenPending && IsPending(row) && row.Seq > HighestCursor(connection, row.Account, acked)) continue;
            Delete(connection, row);
            last[row.Account] = Math.Max(row.Seq, last.GetValueOrDefault(row.Account));
            removed++;
        }
        foreach (var (account, seq) in last)
            connection.Run("INSERT INTO log_trimmed (account, last_seq) VALUES (@account, @seq) ON CONFLICT (account) DO UPDATE SET last_seq = max(last_seq, @seq)",
                ("account", account), ("seq", seq));
        return (removed, ended);
    }

    private static bool IsPending(in Row row) => (row.Kind & ((long)EntryFlags.Pending | LogTail.OutBit)) == (long)EntryFlags.Pending;

    private static long HighestCursor(SqliteStoreConnection connection, long account, Dictionary<long, long> known)
    {
        if (known.TryGetValue(account, out var seq)) return seq;
        seq = connection.Number("SELECT max(acked_seq) FROM cursor WHERE account = @account", ("account", account)) ?? 0;
        known.Add(account, seq);
        return seq;
    }

    private static List<Row> Select(SqliteStoreConnection connection, string sql, params ReadOnlySpan<long> arguments)
    {
        var rows = new List<Row>();
        var select = connection.Prepare(sql);
        for (var i = 0; i < arguments.Length; i++) select.Bind(i + 1, arguments[i]);
        try
        {
            while (select.Step())
                rows.Add(new Row(select.Long(0), select.Long(1), select.Long(2), select.Text(3), select.Long(4), select.Long(5)));
        }
        finally
        {
            select.Reset();
        }
        return rows;
    }

    private static void Delete(SqliteStoreConnection connection, in Row row)
    {
        Step(connection.Prepare("DELETE FROM log WHERE pos = ?").Bind(1, row.Pos));
        Step(connection.Prepare("DELETE FROM log_index WHERE account = ? AND seq = ?").Bind(1, row.Account).Bind(2, row.Seq));
        Step(connection.Prepare("DELETE FROM peer_index WHERE account = ? AND peer = ? AND seq = ?").Bind(1, row.Account).Bind(2, row.Peer).Bind(3, row.Seq));
    }

    private static void Step(Statement statement)
    {
        try
        {
            statement.Step();
        }
        finally
        {
            statement.Reset();
        }
    }
}
