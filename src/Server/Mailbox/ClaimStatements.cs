using Indaba.Server.Storage;
using Npgsql;

namespace Indaba.Server.Mailbox;

/// <summary>The statements of a claim, prepared on their connection: one round trip and one transaction.</summary>
internal sealed class ClaimStatements : IDisposable
{
    private const string Claim = """
        INSERT INTO log_head AS h (account, epoch, writer, former) VALUES ($1, 1, $2, 0)
        ON CONFLICT (account) DO UPDATE SET epoch = h.epoch + 1, former = h.writer, writer = excluded.writer RETURNING epoch, trimmed
        """;
    // For a second at most, see PostgresConnector. It is a statement of its own, so that the next ones see what was committed before it was granted.
    private const string Wait = "SELECT pg_advisory_xact_lock_shared(former) FROM log_head WHERE account = $1 AND former <> 0 AND (former <> writer OR $2)";
    private const string CursorsOf = "SELECT device, resource, acked_seq, at FROM cursor WHERE account = $1";
    private const string Tail = $"SELECT {PostgresReader.KeyColumns} FROM log WHERE account = $1 ORDER BY seq DESC LIMIT $2";

    private readonly NpgsqlBatch _batch;
    private readonly NpgsqlParameter<long>[] _accounts = [New<long>(), New<long>(), New<long>(), New<long>()];
    private readonly NpgsqlParameter<long> _writer = New<long>();
    private readonly NpgsqlParameter<bool> _wait = New<bool>();
    private readonly NpgsqlParameter<int> _tail = New<int>();

    public ClaimStatements(NpgsqlConnection connection)
    {
        _batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(Claim) { Parameters = { _accounts[0], _writer } }, new(Wait) { Parameters = { _accounts[1], _wait } },
                new(CursorsOf) { Parameters = { _accounts[2] } }, new(Tail) { Parameters = { _accounts[3], _tail } },
            },
        };
        _batch.Prepare();
    }

    /// <param name="ownToo">Wait also for what the claiming writer itself has under way.</param>
    public LogHead Run(long account, long writer, bool ownToo, int tail)
    {
        foreach (var parameter in _accounts) parameter.TypedValue = account;
        (_writer.TypedValue, _wait.TypedValue, _tail.TypedValue) = (writer, ownToo, Math.Max(1, tail)); // the last entry says the last number
        using var reader = _batch.ExecuteReader();
        reader.Read();
        var (epoch, last) = (reader.GetInt64(0), reader.GetInt64(1));
        reader.NextResult();
        reader.NextResult();
        var cursors = new List<Cursor>();
        while (reader.Read()) cursors.Add(Cursors.Read(reader));
        reader.NextResult();
        var keys = new List<TailKey>();
        while (reader.Read()) keys.Add(PostgresReader.Key(reader));
        if (keys.Count > 0) last = Math.Max(last, keys[0].Seq); // never below what was trimmed away: old cursors would swallow new entries
        if (tail < 1) keys.Clear();
        keys.Reverse();
        return new LogHead(epoch, last, cursors, keys);
    }

    public void Dispose() => _batch.Dispose();

    private static NpgsqlParameter<T> New<T>() => new() { TypedValue = default };
}
