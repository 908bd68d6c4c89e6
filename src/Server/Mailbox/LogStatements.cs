using Indaba.Server.Storage;
using Npgsql;
using NpgsqlTypes;

namespace Indaba.Server.Mailbox;

/// <summary>A tick on its way to the disk.</summary>
internal readonly record struct Tick(long Account, string Peer, Conversations.Ticks Ticks);

/// <summary>
/// The statements of a writer of the log, prepared on its connection. A batch is one round trip and one transaction: first
/// the lock that says that this writer is at work, as a statement of its own so that the next one sees what was committed before it was
/// granted; then the entries of those accounts that are still this writer's; then the ticks.
/// </summary>
internal sealed class LogStatements : IDisposable
{
    private const string Lock = "SELECT pg_advisory_xact_lock($1)";

    private const string Insert = """
        INSERT INTO log (account, seq, epoch, at, direction, flags, peer, target, sender, device, origin_id, message_id, stanza)
        SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            AS u (account, seq, epoch, at, direction, flags, peer, target, sender, device, origin_id, message_id, stanza)
        JOIN log_head h ON h.account = u.account AND h.epoch = u.epoch AND h.trimmed < u.seq
        ON CONFLICT (account, seq) DO NOTHING RETURNING account, seq
        """;

    private const string Find = """
        SELECT l.account, l.seq FROM unnest($1, $2, $3) AS u (account, seq, epoch) JOIN log l ON l.account = u.account AND l.seq = u.seq AND l.epoch = u.epoch
        """;

    private const string Tick = """
        INSERT INTO conversation AS c (account, peer, delivered_seq, delivered_at, displayed_seq, displayed_at)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6) AS u (account, peer, delivered_seq, delivered_at, displayed_seq, displayed_at) ORDER BY account, peer
        ON CONFLICT (account, peer) DO UPDATE SET
            delivered_at = CASE WHEN excluded.delivered_seq > c.delivered_seq THEN excluded.delivered_at ELSE c.delivered_at END,
            delivered_seq = greatest(c.delivered_seq, excluded.delivered_seq),
            displayed_at = CASE WHEN excluded.displayed_seq > c.displayed_seq THEN excluded.displayed_at ELSE c.displayed_at END,
            displayed_seq = greatest(c.displayed_seq, excluded.displayed_seq)
        """;

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlBatch _appends, _appendsAndTicks, _ticks, _find;
    private readonly EntryColumns _alone, _beside;
    private readonly TickColumns _ticksBeside, _ticksAlone;
    private readonly KeyColumns _keys;

    public LogStatements(NpgsqlConnection connection, long writerKey)
    {
        (_connection, ProcessId) = (connection, connection.ProcessID);
        _appends = new NpgsqlBatch(connection);
        _alone = Add(_appends, writerKey);
        _appendsAndTicks = new NpgsqlBatch(connection);
        _beside = Add(_appendsAndTicks, writerKey);
        _ticksBeside = new TickColumns(_appendsAndTicks, Tick);
        _ticks = new NpgsqlBatch(connection);
        _ticksAlone = new TickColumns(_ticks, Tick);
        _find = new NpgsqlBatch(connection);
        _keys = new KeyColumns(_find, Find);
        _appends.Prepare();
        _appendsAndTicks.Prepare();
        _ticks.Prepare();
        _find.Prepare();
    }

    /// <summary>The server's process behind the connection, also when that is broken.</summary>
    public int ProcessId { get; }

    public bool IsOpen => _connection.State == System.Data.ConnectionState.Open;

    /// <summary>Commits entries and ticks together; returns the keys of the entries that were inserted.</summary>
    public HashSet<(long Account, long Seq)> Commit(ReadOnlySpan<Append> appends, ReadOnlySpan<Tick> ticks)
    {
        if (appends.IsEmpty)
        {
            _ticksAlone.Fill(ticks);
            _ticks.ExecuteNonQuery();
            return [];
        }
        if (ticks.IsEmpty)
        {
            _alone.Fill(appends);
            return Keys(_appends, appends.Length, lockFirst: true);
        }
        _beside.Fill(appends);
        _ticksBeside.Fill(ticks);
        return Keys(_appendsAndTicks, appends.Length, lockFirst: true);
    }

    /// <summary>The keys of those entries that are in the log and were written by the state that appends them.</summary>
    public HashSet<(long Account, long Seq)> Present(ReadOnlySpan<Append> appends)
    {
        _keys.Fill(appends);
        return Keys(_find, appends.Length, lockFirst: false);
    }

    public void Dispose()
    {
        _appends.Dispose();
        _appendsAndTicks.Dispose();
        _ticks.Dispose();
        _find.Dispose();
        _connection.Dispose();
    }

    private static HashSet<(long, long)> Keys(NpgsqlBatch batch, int capacity, bool lockFirst)
    {
        var keys = new HashSet<(long, long)>(capacity);
        using var reader = batch.ExecuteReader();
        if (lockFirst) reader.NextResult();
        while (reader.Read()) keys.Add((reader.GetInt64(0), reader.GetInt64(1)));
        while (reader.NextResult()) { } // an error of a later statement comes here, and undoes all
        return keys;
    }

    private static EntryColumns Add(NpgsqlBatch batch, long writerKey)
    {
        batch.BatchCommands.Add(new NpgsqlBatchCommand(Lock) { Parameters = { new NpgsqlParameter<long> { TypedValue = writerKey } } });
        return new EntryColumns(batch, Insert);
    }

    private static NpgsqlBatchCommand Command(NpgsqlBatch batch, string sql)
    {
        var command = new NpgsqlBatchCommand(sql);
        batch.BatchCommands.Add(command);
        return command;
    }

    private sealed class EntryColumns
    {
        private readonly PostgresColumn<long> _account, _seq, _epoch, _at;
        private readonly PostgresColumn<short> _direction, _flags;
        private readonly PostgresColumn<string?> _peer, _target, _sender, _device, _originId, _messageId;
        private readonly PostgresColumn<byte[]> _stanza;

        public EntryColumns(NpgsqlBatch batch, string sql)
        {
            var command = Command(batch, sql);
            (_account, _seq, _epoch, _at) = (new(command, NpgsqlDbType.Bigint), new(command, NpgsqlDbType.Bigint), new(command, NpgsqlDbType.Bigint), new(command, NpgsqlDbType.Bigint));
            (_direction, _flags) = (new(command, NpgsqlDbType.Smallint), new(command, NpgsqlDbType.Smallint));
            (_peer, _target, _sender) = (new(command, NpgsqlDbType.Text), new(command, NpgsqlDbType.Text), new(command, NpgsqlDbType.Text));
            (_device, _originId, _messageId) = (new(command, NpgsqlDbType.Text), new(command, NpgsqlDbType.Text), new(command, NpgsqlDbType.Text));
            _stanza = new(command, NpgsqlDbType.Bytea);
        }

        public void Fill(ReadOnlySpan<Append> appends)
        {
            foreach (var column in new[] { _account, _seq, _epoch, _at }) column.Clear();
            foreach (var column in new[] { _direction, _flags }) column.Clear();
            foreach (var column in new[] { _peer, _target, _sender, _device, _originId, _messageId }) column.Clear();
            _stanza.Clear();
            foreach (var append in appends)
            {
                var entry = append.Entry;
                _account.Add(entry.Account);
                _seq.Add(entry.Seq);
                _epoch.Add(append.Epoch);
                _at.Add(entry.At);
                _direction.Add((short)entry.Direction);
                _flags.Add((short)entry.Flags);
                _peer.Add(entry.Peer);
                _target.Add(entry.Target);
                _sender.Add(entry.Sender);
                _device.Add(entry.Device);
                _originId.Add(entry.OriginId);
                _messageId.Add(entry.MessageId);
                _stanza.Add(entry.Stanza);
            }
        }
    }

    private sealed class KeyColumns
    {
        private readonly PostgresColumn<long> _account, _seq, _epoch;

        public KeyColumns(NpgsqlBatch batch, string sql)
        {
            var command = Command(batch, sql);
            (_account, _seq, _epoch) = (new(command, NpgsqlDbType.Bigint), new(command, NpgsqlDbType.Bigint), new(command, NpgsqlDbType.Bigint));
        }

        public void Fill(ReadOnlySpan<Append> appends)
        {
            foreach (var column in new[] { _account, _seq, _epoch }) column.Clear();
            foreach (var append in appends)
            {
                _account.Add(append.Entry.Account);
                _seq.Add(append.Entry.Seq);
                _epoch.Add(append.Epoch);
            }
        }
    }

    private sealed class TickColumns
    {
        private readonly PostgresColumn<long> _account, _delivered, _deliveredAt, _displayed, _displayedAt;
        private readonly PostgresColumn<string> _peer;

        public TickColumns(NpgsqlBatch batch, string sql)
        {
            var command = Command(batch, sql);
            (_account, _peer) = (new(command, NpgsqlDbType.Bigint), new(command, NpgsqlDbType.Text));
            (_delivered, _deliveredAt) = (new(command, NpgsqlDbType.Bigint), new(command, NpgsqlDbType.Bigint));
            (_displayed, _displayedAt) = (new(command, NpgsqlDbType.Bigint), new(command, NpgsqlDbType.Bigint));
        }

        public void Fill(ReadOnlySpan<Tick> ticks)
        {
            foreach (var column in new[] { _account, _delivered, _deliveredAt, _displayed, _displayedAt }) column.Clear();
            _peer.Clear();
            foreach (var (account, peer, tick) in ticks)
            {
                _account.Add(account);
                _peer.Add(peer);
                _delivered.Add(tick.DeliveredSeq);
                _deliveredAt.Add(tick.DeliveredAt);
                _displayed.Add(tick.DisplayedSeq);
                _displayedAt.Add(tick.DisplayedAt);
            }
        }
    }
}
