using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>Removes old entries, and those of deleted accounts, from PostgreSQL in slices.</summary>
internal sealed class PostgresRetention(PostgresDatabase database) : IDisposable
{
    private const int PurgeRows = 5000;
    /// <summary>How long the log of a deleted account is looked at again: an append may have been on its way.</summary>
    private static readonly TimeSpan PurgeAgain = TimeSpan.FromHours(1);
    /// <summary>Marks of jobs (<see cref="PostgresJob{T}"/>) are asked for within minutes.</summary>
    private static readonly TimeSpan MarksKept = TimeSpan.FromHours(1);
    /// <summary>Accounts looked at in one question of a sweep.</summary>
    private const int SweepAccounts = 1000;

    private readonly SemaphoreSlim _one = new(1, 1);
    private long _sweep;        // account up to which the present sweep over all accounts has come

    private readonly record struct Row(long Seq, long Direction, EntryFlags Flags, long At);

    public async Task<int> TrimAsync(long? account, long olderThan, int maxRows, bool evenPending, CancellationToken cancel)
    {
        await _one.WaitAsync(cancel);
        try
        {
            if (account is { } one) return await TrimAccountAsync(one, olderThan, maxRows, evenPending, cancel);
            while (true)
            {
                var after = _sweep;
                var (old, last) = await database.ReadAsync((after, olderThan), FindOld, cancel);
                foreach (var next in old)
                {
                    var removed = await TrimAccountAsync(next, olderThan, maxRows, evenPending, cancel);
                    if (removed > 0) return removed; // the sweep stays here until nothing of it goes
                    _sweep = next;
                }
                _sweep = last ?? 0;
                if (last is null) return 0;
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
            await database.RunAsync(connection => connection.Run("DELETE FROM job WHERE at < @before",
                ("before", (database.Time.GetUtcNow() - MarksKept).ToUnixTimeMilliseconds())), cancel);
            var accounts = await database.ReadAsync(0, static (connection, _) =>
                connection.Rows("SELECT account FROM log_purge", static row => row.GetInt64(0)), cancel);
            var removed = 0L;
            foreach (var account in accounts)
            {
                int slice;
                do
                {
                    slice = await database.WriteAsync(connection => PurgeSlice(connection, account), cancel);
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

    /// <summary>Accounts above one whose first entry is old, and the last account that was looked at; null when there are no more.</summary>
    private static (List<long> Old, long? Last) FindOld(StoreConnection connection, (long After, long OlderThan) sweep)
    {
        var heads = connection.Rows("""
            SELECT h.account, l.at < @older FROM (SELECT account FROM log_head WHERE account > @after ORDER BY account LIMIT @many) AS h
            LEFT JOIN LATERAL (SELECT min(at) AS at FROM (SELECT at FROM log WHERE account = h.account ORDER BY seq LIMIT 64) AS first) AS l ON true ORDER BY h.account
            """, static row => (Account: row.GetInt64(0), Old: !row.IsDBNull(1) && row.GetBoolean(1)),
            ("older", sweep.OlderThan), ("after", sweep.After), ("many", SweepAccounts));
        return ([.. heads.Where(static head => head.Old).Select(static head => head.Account)], heads.Count < SweepAccounts ? null : heads[^1].Account);
    }

    /// <summary>Removes a slice of what may go of one account, and looks through it until there is something, or no more.</summary>
    private async Task<int> TrimAccountAsync(long account, long olderThan, int maxRows, bool evenPending, CancellationToken cancel)
    {
        var after = long.MinValue;
        while (true)
        {
            var from = after;
            var (removed, next) = await database.WriteAsync(connection => Trim(connection, account, from, olderThan, maxRows, evenPending), cancel);
            if (removed > 0 || next is null) return removed;
            after = next.Value;
        }
    }

    private static (int Removed, long? Next) Trim(StoreConnection connection, long account, long afterSeq, long olderThan, int maxRows, bool evenPending)
    {
        var rows = connection.Rows("SELECT seq, direction, flags, at FROM log WHERE account = @account AND seq > @after ORDER BY seq LIMIT @limit",
            static row => new Row(row.GetInt64(0), row.GetInt16(1), (EntryFlags)row.GetInt16(2), row.GetInt64(3)), ("account", account), ("after", afterSeq), ("limit", maxRows));
        var acked = evenPending ? long.MaxValue : connection.Number("SELECT max(acked_seq) FROM cursor WHERE account = @account", ("account", account)) ?? 0;
        var old = rows.Where(row => row.At < olderThan && (row.Seq <= acked || row.Direction != 0 || !row.Flags.HasFlag(EntryFlags.Pending))).Select(static row => row.Seq).ToArray();
        // Times are nearly in order: when even one of the last ones is much too young, so is what follows.
        long? next = rows.Count < maxRows || rows[^1].At - PostgresReader.Disorder >= olderThan ? null : rows[^1].Seq;
        if (old.Length == 0) return (0, next);
        var removed = connection.Run("DELETE FROM log WHERE account = @account AND seq = ANY (@seqs)", ("account", account), ("seqs", old));
        connection.Run("UPDATE log_head SET trimmed = greatest(trimmed, @seq) WHERE account = @account", ("account", account), ("seq", old[^1]));
        return (removed, next);
    }

    private int PurgeSlice(StoreConnection connection, long account)
    {
        var removed = connection.Run("DELETE FROM log WHERE account = @account AND seq IN (SELECT seq FROM log WHERE account = @account LIMIT @limit)",
            ("account", account), ("limit", PurgeRows));
        if (removed > 0) return removed;
        connection.Run("DELETE FROM log_head WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM cursor WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM resumption WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM conversation WHERE account = @account", ("account", account));
        connection.Run("DELETE FROM log_purge WHERE account = @account AND at < @before",
            ("account", account), ("before", (database.Time.GetUtcNow() - PurgeAgain).ToUnixTimeMilliseconds()));
        return 0;
    }
}
