using Indaba.Server.Storage;
using Npgsql;

namespace Indaba.Server.Mailbox;

/// <summary>
/// The fence. A claim adds 1 to the epoch of an account, and entries go in under that epoch only. What a former owner had
/// under way when the claim was committed may still be committed afterwards, because its statement saw the old epoch; each writer holds a
/// shared lock on its node's key while it is at work, so taking that lock for a moment waits for just that.
/// Former owners that nobody has waited for yet stand in <c>formers</c>: a claimer may have died before it came to that.
/// </summary>
internal sealed partial class PostgresClaim(PostgresDatabase database, ILogger log)
{
    private const string Claim = """
        INSERT INTO log_head AS h (account, epoch, node, formers) VALUES ($1, 1, $2, '{}')
        ON CONFLICT (account) DO UPDATE SET epoch = h.epoch + 1, node = excluded.node,
            formers = CASE WHEN h.node = excluded.node OR h.node = ANY (h.formers) THEN h.formers ELSE h.formers || h.node END
        RETURNING epoch, formers, trimmed
        """;
    private const string Settle = "UPDATE log_head SET formers = '{}' WHERE account = $1 AND epoch = $2 RETURNING epoch, formers, trimmed";
    private const string Wait = "SELECT pg_advisory_xact_lock($1)"; // for a second at most, see PostgresConnector
    private const string Head = "SELECT epoch, formers, trimmed FROM log_head WHERE account = $1";
    private const string Last = "SELECT max(seq) FROM log WHERE account = $1";
    private const string CursorsOf = "SELECT device, resource, acked_seq, at FROM cursor WHERE account = $1";
    private const string Tail = "SELECT seq, direction, peer, device, origin_id, message_id FROM log WHERE account = $1 ORDER BY seq DESC LIMIT $2";

    private readonly ILogger _log = log;

    /// <summary>What a claim found.</summary>
    internal sealed record Found(long Epoch, IReadOnlyList<long> Formers, long LastSeq, List<Cursor> Cursors, List<TailKey> Tail);

    /// <summary>Claims, in one round trip. What it found is final when no former owner is named.</summary>
    public Task<Found> ClaimAsync(long account, int tail, CancellationToken cancel) => database.RunAsync(connection =>
    {
        using var batch = new NpgsqlBatch(connection.Npgsql);
        batch.BatchCommands.Add(Command(Claim, account, database.Connector.NodeKey));
        return Read(batch, account, tail)!;
    }, cancel);

    /// <summary>Waits for what former owners have under way and reads again, in one round trip if they have nothing.</summary>
    public Task<Found> SettleAsync(long account, Found claimed, int tail, CancellationToken cancel) => database.RunAsync(connection =>
    {
        var others = claimed.Formers.Where(former => former != database.Connector.NodeKey).ToArray();
        while (true)
        {
            try
            {
                using var batch = new NpgsqlBatch(connection.Npgsql);
                foreach (var former in others) batch.BatchCommands.Add(Command(Wait, former));
                batch.BatchCommands.Add(Command(Settle, account, claimed.Epoch));
                if (Read(batch, account, tail, others.Length) is { } settled) return settled;
                // Somebody has claimed it since: what this one appends is refused, so it hardly matters what it knows.
                using var again = new NpgsqlBatch(connection.Npgsql);
                again.BatchCommands.Add(Command(Head, account));
                return (Read(again, account, tail) ?? claimed) with { Epoch = claimed.Epoch };
            }
            catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                foreach (var former in others) FormerEnded(account, End(connection.Npgsql, former));
            }
        }
    }, cancel);

    private static Found? Read(NpgsqlBatch batch, long account, int tail, int locks = 0)
    {
        batch.BatchCommands.Add(Command(Last, account));
        batch.BatchCommands.Add(Command(CursorsOf, account));
        batch.BatchCommands.Add(Command(Tail, account, tail));
        using var reader = batch.ExecuteReader();
        for (; locks > 0; locks--) reader.NextResult();
        if (!reader.Read()) return null;
        var (epoch, formers, last) = (reader.GetInt64(0), reader.GetFieldValue<long[]>(1), reader.GetInt64(2));
        reader.NextResult();
        reader.Read();
        if (!reader.IsDBNull(0)) last = Math.Max(last, reader.GetInt64(0)); // never below what was trimmed away: old cursors would swallow new entries
        reader.NextResult();
        var cursors = new List<Cursor>();
        while (reader.Read()) cursors.Add(Cursors.Read(reader));
        reader.NextResult();
        var keys = new List<TailKey>();
        while (reader.Read()) keys.Add(PostgresReader.Key(reader));
        keys.Reverse();
        return new Found(epoch, formers, last, cursors, keys);
    }

    /// <summary>Ends the server's processes that hold a node's lock: a batch of theirs is then undone, or was committed.</summary>
    private static long End(NpgsqlConnection connection, long node)
    {
        // A key of 64 bits stands in this view as two of 32.
        using var command = new NpgsqlCommand("""
            SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 1000)) FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (classid::bigint << 32 | objid::bigint) = $1
            """, connection) { Parameters = { new NpgsqlParameter<long> { TypedValue = node } } };
        return (long)command.ExecuteScalar()!;
    }

    private static NpgsqlBatchCommand Command(string sql, params ReadOnlySpan<long> arguments)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var argument in arguments) command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = argument });
        return command;
    }

    [LoggerMessage(770, LogLevel.Warning, "The former owner of account {Account} does not finish what it was writing: {Connections} of its connections were ended")]
    private partial void FormerEnded(long account, long connections);
}
