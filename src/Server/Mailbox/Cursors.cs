using System.Data.Common;
using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>What a device has acked. Device is empty for a client that names none; the resource names it then.</summary>
internal sealed record Cursor(string Device, string Resource, long AckedSeq, long At);

/// <summary>The cursors of devices on the log. They never move back.</summary>
internal sealed class Cursors
{
    /// <summary>Cursors kept for an account (a client can invent devices without end); the longest unmoved make room.</summary>
    public const int MaxPerAccount = 128;

    /// <summary>
    /// How long moves gather: a busy device acks many times in it and costs one row. Longer would only send more again after a crash.
    /// </summary>
    internal static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(200);
    private readonly Database _database;
    private readonly Action _wake;
    private readonly Func<CancellationToken, Task> _flush;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly Queue<(long Account, long Since)> _order = new();   // by age
    private readonly Dictionary<long, List<Moved>> _moved = [];
    private readonly Dictionary<long, List<Moved>> _writing = [];         // in the open transaction
    private volatile bool _due;

    internal record struct Moved(string Device, string Resource, long Seq, long At);

    /// <param name="wake">Called when moves are due.</param>
    /// <param name="flush">Writes all that was moved before.</param>
    internal Cursors(Database database, Action wake, Func<CancellationToken, Task> flush)
    {
        (_database, _wake, _flush) = (database, wake, flush);
        _timer = database.Time.CreateTimer(static state => ((Cursors)state!).FallDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>All cursors of an account, moves that are not yet on disk included.</summary>
    public async Task<IReadOnlyList<Cursor>> LoadAsync(long account, CancellationToken cancel = default)
    {
        var moves = Unwritten(account);
        return Merge(await _database.ReadAsync(account, static (connection, account) => connection.Rows(Select, Read, ("account", account)), cancel), moves);
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
    public async Task<bool> RemoveAsync(long account, string device, string resource, CancellationToken cancel = default)
    {
        bool unwritten = false, writing;
        lock (_gate)
        {
            if (_moved.TryGetValue(account, out var moves)) unwritten = moves.RemoveAll(move => move.Device == device && move.Resource == resource) > 0;
            writing = _writing.ContainsKey(account);
        }
        if (writing) await FlushAsync(cancel); // or it would come back with what is being written
        return await _database.WriteAsync(connection => connection.Run(
            "DELETE FROM cursor WHERE account = @account AND device = @device AND resource = @resource",
            ("account", account), ("device", device), ("resource", resource)) > 0 || unwritten, cancel);
    }

    /// <summary>Completes when all moves made before are on disk, and ticks and resumptions too.</summary>
    public Task FlushAsync(CancellationToken cancel = default) => _flush(cancel);

    /// <summary>For a reader of the database: the cursors of one account.</summary>
    internal const string Select = "SELECT device, resource, acked_seq, at FROM cursor WHERE account = @account";

    internal static Cursor Read(DbDataReader row) => new(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3));

    /// <summary>Moves that are not on disk. Look before reading: what leaves memory later is in the database by then.</summary>
    internal List<Moved> Unwritten(long account)
    {
        var moves = new List<Moved>();
        lock (_gate)
        {
            if (_writing.TryGetValue(account, out var writing)) moves.AddRange(writing);
            if (_moved.TryGetValue(account, out var moved)) moves.AddRange(moved);
        }
        return moves;
    }

    /// <summary>What was read, with moves that may not have been in it.</summary>
    internal static List<Cursor> Merge(List<Cursor> cursors, List<Moved> moves)
    {
        foreach (var move in moves)
        {
            var known = cursors.FindIndex(cursor => cursor.Device == move.Device && cursor.Resource == move.Resource);
            if (known < 0) cursors.Add(new Cursor(move.Device, move.Resource, move.Seq, move.At));
            else if (cursors[known].AckedSeq < move.Seq) cursors[known] = cursors[known] with { AckedSeq = move.Seq, At = move.At };
        }
        return cursors;
    }

    // --- for the one that writes them ---

    /// <summary>Whether moves have waited for their time.</summary>
    internal bool Due => _due;

    internal bool Any
    {
        get { lock (_gate) return _order.Count > 0; }
    }

    /// <summary>Takes what is due (or all) by account, to be written; ended by <see cref="Written"/> or <see cref="Undone"/>.</summary>
    internal IReadOnlyDictionary<long, List<Moved>> Take(bool all, int rowsAtMost)
    {
        lock (_gate)
        {
            var rows = 0;
            while (_order.TryPeek(out var next))
            {
                if (!all && _database.Time.GetElapsedTime(next.Since) < Gather || rows >= rowsAtMost) break;
                _order.Dequeue();
                if (!_moved.Remove(next.Account, out var moves) || moves.Count == 0) continue;
                _writing.Add(next.Account, moves);
                rows += moves.Count;
            }
        }
        return _writing;
    }

    /// <summary>What was taken is on disk.</summary>
    internal void Written()
    {
        lock (_gate)
        {
            _writing.Clear();
            Rearm();
        }
    }

    /// <summary>What was taken is not on disk.</summary>
    internal void Undone()
    {
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
        _wake();
    }
}
