using Indaba.Server.Storage;
using SQLitePCL;

namespace Indaba.Server.Mailbox;

/// <summary>What a device has acked. Device is empty for a client that names none; the resource names it then.</summary>
internal sealed record Cursor(string Device, string Resource, long AckedSeq, long At);

/// <summary>The cursors of devices on the log. They never move back.</summary>
internal sealed class Cursors : IBatchPart
{
    /// <summary>Cursors kept for an account (a client can invent devices without end); the longest unmoved make room.</summary>
    public const int MaxPerAccount = 128;

    /// <summary>
    /// How long moves gather: a busy device acks many times in it and costs one row. Longer would only send more again after a crash.
    /// </summary>
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(200);
    /// <summary>Rows in one batch: at most some two milliseconds for those whose commit carries them.</summary>
    private const int RowsPerBatch = 512;

    private readonly Database _database;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly Queue<(long Account, long Since)> _order = new();   // by age
    private readonly Dictionary<long, List<Moved>> _moved = [];
    private readonly Dictionary<long, List<Moved>> _writing = [];         // in the open transaction
    private volatile bool _due;
    private bool _flush;                                                 // the writer's

    private record struct Moved(string Device, string Resource, long Seq, long At);

    internal Cursors(Database database)
    {
        _database = database;
        _timer = database.Time.CreateTimer(static state => ((Cursors)state!).FallDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>All cursors of an account, moves that are not yet on disk included.</summary>
    public async Task<IReadOnlyList<Cursor>> LoadAsync(long account, CancellationToken cancel = default)
    {
        var moves = new List<Moved>(); // looked at before the read: what leaves memory later is in the database by then
        lock (_gate)
        {
            if (_writing.TryGetValue(account, out var writing)) moves.AddRange(writing);
            if (_moved.TryGetValue(account, out var moved)) moves.AddRange(moved);
        }
        var cursors = await _database.ReadAsync(account, static (connection, account) => connection.Rows(
            "SELECT device, resource, acked_seq, at FROM cursor WHERE account = @account",
            static row => new Cursor(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3)), ("account", account)), cancel);
        foreach (var move in moves)
        {
            var known = cursors.FindIndex(cursor => cursor.Device == move.Device && cursor.Resource == move.Resource);
            if (known < 0) cursors.Add(new Cursor(move.Device, move.Resource, move.Seq, move.At));
            else if (cursors[known].AckedSeq < move.Seq) cursors[known] = cursors[known] with { AckedSeq = move.Seq, At = move.At };
        }
        return cursors;
    }

    /// <summary>
    /// Moves a cursor forward (a lower number changes nothing). Kept in memory and written with a commit within about 200 ms:
    /// a crash before that only sends again. Thread-safe, never blocks.
    /// </summary>
    public void Move(long account, string device, string resource, long seq)
    {
        var move = new Moved(device, resource, seq, _database.Time.GetUtcNow().ToUnixTimeMilliseconds());
        lock (_gate)
        {
            Add(_moved, account, move);
        }
    }

    /// <summary>Forgets a cursor; false when there was none.</summary>
    public Task<bool> RemoveAsync(long account, string device, string resource, CancellationToken cancel = default)
    {
        var unwritten = false;
        lock (_gate)
        {
            if (_moved.TryGetValue(account, out var moves)) unwritten = moves.RemoveAll(move => move.Device == device && move.Resource == resource) > 0;
        }
        return _database.WriteAsync(connection => connection.Run(
            "DELETE FROM cursor WHERE account = @account AND device = @device AND resource = @resource",
            ("account", account), ("device", device), ("resource", resource)) > 0 || unwritten, cancel);
    }

    /// <summary>Completes when all moves made before are on disk.</summary>
    public Task FlushAsync(CancellationToken cancel = default) =>
        _database.WriteAsync(_ => _flush = true, cancel); // the parts of a batch are written after its jobs, in the same transaction

    bool IBatchPart.Wants(Moment moment)
    {
        if (!_due && !_flush && moment != Moment.Closing) return false;
        lock (_gate) return _order.Count > 0;
    }

    void IBatchPart.Write(StoreConnection connection, Moment moment)
    {
        var all = _flush || moment == Moment.Closing;
        lock (_gate)
        {
            var rows = 0;
            while (_order.TryPeek(out var next))
            {
                if (!all && (rows >= RowsPerBatch || _database.Time.GetElapsedTime(next.Since) < Gather)) break;
                _order.Dequeue();
                if (!_moved.Remove(next.Account, out var moves) || moves.Count == 0) continue;
                _writing.Add(next.Account, moves);
                rows += moves.Count;
            }
        }
        foreach (var (account, moves) in _writing)
            foreach (var move in moves) Write(connection, account, move);
    }

    void IBatchPart.Committed()
    {
        if (_writing.Count == 0 && !_due && !_flush) return;
        lock (_gate)
        {
            _writing.Clear();
            Rearm();
        }
    }

    void IBatchPart.RolledBack()
    {
        if (_writing.Count == 0) return;
        lock (_gate)
        {
            foreach (var (account, moves) in _writing)
                foreach (var move in moves) Add(_moved, account, move);
            _writing.Clear();
            Rearm();
        }
    }

    private void Add(Dictionary<long, List<Moved>> moved, long account, in Moved move)
    {
        if (!moved.TryGetValue(account, out var moves))
        {
            moved.Add(account, moves = new List<Moved>(1));
            _order.Enqueue((account, _database.Time.GetTimestamp()));
            if (_order.Count == 1) _timer.Change(Gather, Timeout.InfiniteTimeSpan);
        }
        for (var i = 0; i < moves.Count; i++)
        {
            if (moves[i].Device != move.Device || moves[i].Resource != move.Resource) continue;
            if (moves[i].Seq < move.Seq) moves[i] = move;
            return;
        }
        moves.Add(move);
    }

    /// <summary>Sets the timer by the oldest move that is left.</summary>
    private void Rearm()
    {
        _flush = false;
        if (!_order.TryPeek(out var next))
        {
            _due = false;
            return;
        }
        var left = Gather - _database.Time.GetElapsedTime(next.Since);
        _due = left <= TimeSpan.Zero;
        if (!_due) _timer.Change(left, Timeout.InfiniteTimeSpan);
    }

    private void FallDue()
    {
        _due = true;
        _database.Writer.Wake();
    }

    private static void Write(StoreConnection connection, long account, in Moved move)
    {
        var update = connection.Prepare("UPDATE cursor SET at = CASE WHEN acked_seq < ?4 THEN ?5 ELSE at END, acked_seq = max(acked_seq, ?4) WHERE account = ?1 AND device = ?2 AND resource = ?3");
        update.Bind(1, account).Bind(2, move.Device).Bind(3, move.Resource).Bind(4, move.Seq).Bind(5, move.At);
        try
        {
            update.Step();
        }
        finally
        {
            update.Reset();
        }
        if (raw.sqlite3_changes(connection.Handle) > 0) return;
        connection.Run("INSERT INTO cursor (account, device, resource, acked_seq, at) VALUES (@account, @device, @resource, @seq, @at)",
            ("account", account), ("device", move.Device), ("resource", move.Resource), ("seq", move.Seq), ("at", move.At));
        connection.Run("""
            DELETE FROM cursor WHERE account = @account AND (device, resource) IN
                (SELECT device, resource FROM cursor WHERE account = @account ORDER BY at DESC, acked_seq DESC LIMIT @many OFFSET @keep)
            """, ("account", account), ("many", (long)int.MaxValue), ("keep", (long)MaxPerAccount));
    }
}
