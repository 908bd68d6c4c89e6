using Indaba.Server.Storage;
using Npgsql;
using NpgsqlTypes;

namespace Indaba.Server.Mailbox;

/// <summary>A cursor on its way to the disk.</summary>
internal readonly record struct MovedCursor(long Account, Cursors.Moved Move);

/// <summary>The statements that write cursors and resumptions, prepared on their connection.</summary>
internal sealed class SideStatements : IDisposable
{
    /// <summary>Returns the accounts that have a new cursor.</summary>
    private const string Move = """
        INSERT INTO cursor AS c (account, device, resource, acked_seq, at)
        SELECT * FROM unnest($1, $2, $3, $4, $5) AS u (account, device, resource, acked_seq, at) ORDER BY account, device, resource
        ON CONFLICT (account, device, resource) DO UPDATE SET acked_seq = greatest(c.acked_seq, excluded.acked_seq), at = excluded.at WHERE excluded.acked_seq > c.acked_seq
        RETURNING account, xmax = 0
        """;

    private const string Bound = """
        DELETE FROM cursor c USING
            (SELECT account, device, resource, row_number() OVER (PARTITION BY account ORDER BY at DESC, acked_seq DESC) AS place FROM cursor WHERE account = ANY($1)) AS o
        WHERE o.place > $2 AND c.account = o.account AND c.device = o.device AND c.resource = o.resource
        """;

    private const string Note = """
        INSERT INTO resumption (id, account, handled, at) SELECT * FROM unnest($1, $2, $3, $4) AS u (id, account, handled, at) ORDER BY id
        ON CONFLICT (id) DO UPDATE SET account = excluded.account, handled = excluded.handled, at = excluded.at
        """;

    private const string Forget = "DELETE FROM resumption WHERE id = ANY($1)";

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlBatch _move, _bound, _note;
    private readonly PostgresColumn<long> _account, _seq, _at, _bounded, _notedAccount, _handled, _notedAt;
    private readonly PostgresColumn<string> _device, _resource, _noted, _forgotten;

    public SideStatements(NpgsqlConnection connection)
    {
        _connection = connection;
        _move = Batch(Move, out var move);
        (_account, _device, _resource) = (new(move, NpgsqlDbType.Bigint), new(move, NpgsqlDbType.Text), new(move, NpgsqlDbType.Text));
        (_seq, _at) = (new(move, NpgsqlDbType.Bigint), new(move, NpgsqlDbType.Bigint));
        _bound = Batch(Bound, out var bound);
        _bounded = new(bound, NpgsqlDbType.Bigint);
        bound.Parameters.Add(new NpgsqlParameter<int> { TypedValue = Cursors.MaxPerAccount });
        _note = Batch(Note, out var note);
        (_noted, _notedAccount) = (new(note, NpgsqlDbType.Text), new(note, NpgsqlDbType.Bigint));
        (_handled, _notedAt) = (new(note, NpgsqlDbType.Bigint), new(note, NpgsqlDbType.Bigint));
        var forget = new NpgsqlBatchCommand(Forget);
        _forgotten = new(forget, NpgsqlDbType.Text);
        _note.BatchCommands.Add(forget);
        _move.Prepare();
        _bound.Prepare();
        _note.Prepare();
    }

    public bool IsOpen => _connection.State == System.Data.ConnectionState.Open;

    /// <summary>Commits moves; accounts that have more cursors than they may lose the longest unmoved.</summary>
    public void Commit(ReadOnlySpan<MovedCursor> moves)
    {
        foreach (var column in new[] { _account, _seq, _at, _bounded }) column.Clear();
        foreach (var column in new[] { _device, _resource }) column.Clear();
        foreach (var (account, move) in moves)
        {
            _account.Add(account);
            _device.Add(move.Device);
            _resource.Add(move.Resource);
            _seq.Add(move.Seq);
            _at.Add(move.At);
        }
        var grown = new HashSet<long>();
        using (var reader = _move.ExecuteReader())
            while (reader.Read())
                if (reader.GetBoolean(1)) grown.Add(reader.GetInt64(0));
        if (grown.Count == 0) return;
        foreach (var account in grown) _bounded.Add(account);
        _bound.ExecuteNonQuery();
    }

    /// <summary>Commits what is known of sessions.</summary>
    public void Commit(ReadOnlySpan<KeyValuePair<string, Resumptions.Noted>> sessions)
    {
        foreach (var column in new[] { _notedAccount, _handled, _notedAt }) column.Clear();
        foreach (var column in new[] { _noted, _forgotten }) column.Clear();
        foreach (var (id, noted) in sessions)
        {
            if (noted.Account is not { } account)
            {
                _forgotten.Add(id);
                continue;
            }
            _noted.Add(id);
            _notedAccount.Add(account);
            _handled.Add(noted.Handled);
            _notedAt.Add(noted.At);
        }
        _note.ExecuteNonQuery();
    }

    public void Dispose()
    {
        _move.Dispose();
        _bound.Dispose();
        _note.Dispose();
        _connection.Dispose();
    }

    private NpgsqlBatch Batch(string sql, out NpgsqlBatchCommand command)
    {
        command = new NpgsqlBatchCommand(sql);
        return new NpgsqlBatch(_connection) { BatchCommands = { command } };
    }
}
