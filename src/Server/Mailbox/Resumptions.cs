using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>Whose a session was that can be resumed (XEP-0198), and how many stanzas of it the server has handled.</summary>
internal sealed record Resumption(long Account, uint Handled);

/// <summary>
/// What other nodes must know of this one's resumable sessions: when the node is gone, a resumption that fails elsewhere is
/// answered with the last <c>h</c> (XEP-0198 section 5: "the server SHOULD include 'h'"), so the client sends nothing twice.
/// </summary>
internal sealed class Resumptions
{
    /// <summary>Rows older than this are nobody's: no session waits longer for its resumption.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromDays(1);
    private const int PruneRows = 1000;

    private readonly Database _database;
    private readonly Action _wake;
    private readonly Func<CancellationToken, Task> _flush;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private Dictionary<string, Noted> _noted = new(StringComparer.Ordinal), _writing = new(StringComparer.Ordinal);
    private bool _timerSet;
    private volatile bool _due;

    /// <summary>The newest that is known of a session; null Account: it is forgotten.</summary>
    internal readonly record struct Noted(long? Account, uint Handled, long At);

    internal Resumptions(Database database, Action wake, Func<CancellationToken, Task> flush)
    {
        (_database, _wake, _flush) = (database, wake, flush);
        _timer = database.Time.CreateTimer(static state => ((Resumptions)state!).FallDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Notes how far a session has come. Thread-safe, never blocks; written within some 200 ms, only the newest.</summary>
    public void Note(string id, long account, uint handled) => Set(id, new Noted(account, handled, _database.Time.GetUtcNow().ToUnixTimeMilliseconds()));

    /// <summary>The session has ended and cannot be resumed. Otherwise as <see cref="Note"/>.</summary>
    public void Forget(string id) => Set(id, new Noted(null, 0, 0));

    /// <summary>What is known of a session, whichever node had it; null when nothing is.</summary>
    public async Task<Resumption?> FindAsync(string id, CancellationToken cancel = default)
    {
        lock (_gate)
        {
            if (_noted.TryGetValue(id, out var noted) || _writing.TryGetValue(id, out noted))
                return noted.Account is { } own ? new Resumption(own, noted.Handled) : null;
        }
        var since = (_database.Time.GetUtcNow() - Kept).ToUnixTimeMilliseconds();
        return await _database.ReadAsync((id, since), static (connection, key) => connection.Row(
            "SELECT account, handled FROM resumption WHERE id = @id AND at >= @since",
            static row => new Resumption(row.GetInt64(0), (uint)row.GetInt64(1)), ("id", key.id), ("since", key.since)), cancel);
    }

    /// <summary>Completes when all that was noted before is on disk, and cursors and ticks too.</summary>
    public Task FlushAsync(CancellationToken cancel = default) => _flush(cancel);

    /// <summary>Removes rows whose time is over; returns how many went, call again until 0.</summary>
    public async Task<int> PruneAsync(CancellationToken cancel = default)
    {
        var before = (_database.Time.GetUtcNow() - Kept).ToUnixTimeMilliseconds();
        if (await _database.ReadAsync(before, static (connection, before) => connection.Number("SELECT 1 FROM resumption WHERE at < @before LIMIT 1", ("before", before)), cancel) is null) return 0;
        return await _database.WriteAsync(connection => connection.Run(
            "DELETE FROM resumption WHERE id IN (SELECT id FROM resumption WHERE at < @before ORDER BY at LIMIT @limit)",
            ("before", before), ("limit", (long)PruneRows)), cancel);
    }

    // --- for the one that writes them ---

    internal bool Due => _due;

    internal bool Any
    {
        get { lock (_gate) return _noted.Count > 0; }
    }

    /// <summary>Takes what waits, to be written; ended by <see cref="Written"/> or <see cref="Undone"/>.</summary>
    internal IReadOnlyDictionary<string, Noted> Take()
    {
        lock (_gate)
        {
            (_noted, _writing) = (_writing, _noted);
            (_timerSet, _due) = (false, false);
        }
        return _writing;
    }

    internal void Written()
    {
        lock (_gate) _writing.Clear();
    }

    internal void Undone()
    {
        lock (_gate)
        {
            foreach (var (id, noted) in _writing) _noted.TryAdd(id, noted);
            _writing.Clear();
            SetTimer();
        }
    }

    private void Set(string id, in Noted noted)
    {
        lock (_gate)
        {
            _noted[id] = noted;
            SetTimer();
        }
    }

    private void SetTimer()
    {
        if (_timerSet) return;
        _timerSet = true;
        _timer.Change(Cursors.Gather, Timeout.InfiniteTimeSpan);
    }

    private void FallDue()
    {
        _due = true;
        _wake();
    }
}
