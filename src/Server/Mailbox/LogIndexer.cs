using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// Fills log_index and peer_index behind the commits. A pass takes the whole tail, in the order of the indexes so that each
/// of their pages is visited once, and writes it in slices of about a millisecond: when nobody waits, or beside
/// every batch once the tail is too long. Only a finished pass counts (log_state.indexed_pos) and shortens the tail; a pass
/// that was cut short is simply done again.
/// </summary>
internal sealed partial class LogIndexer : IBatchPart
{
    /// <summary>Entries that make a pass worth while: the larger, the more of them share a page of the indexes.</summary>
    private const int PassRows = 16_384;
    /// <summary>Entries in the tail above which batches must carry a slice along: bounds the memory, and the reading at start.</summary>
    private const int MaxTail = 65_536;
    /// <summary>The tail is indexed after this time however short it is.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(10);
    /// <summary>How long a slice may hold up whoever comes while it is written.</summary>
    private static readonly TimeSpan SliceTime = TimeSpan.FromMilliseconds(1);
    private const int RowsPerLook = 16;

    private readonly LogTail _tail;
    private readonly Writer _writer;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly List<(long Pos, TaskCompletionSource Done)> _waiting = [];

    private Task<Pass>? _preparing;
    private Pass? _pass;
    private int _written;               // entries of the pass that are committed
    private int _writing;               // and those in the open transaction
    private bool _timerSet, _abandoned;
    private volatile bool _old;         // the timer says that entries wait for long
    private volatile bool _asked;       // somebody waits for the end of a pass

    private sealed record Pass(long ThroughPos, List<IndexEntry> Entries, List<(long Account, int Count)> Accounts, long ClockStep);

    public LogIndexer(LogTail tail, Writer writer, TimeProvider time, ILogger log)
    {
        (_tail, _writer, _time, _log) = (tail, writer, time, log);
        _timer = time.CreateTimer(static state => ((LogIndexer)state!).GrowOld(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Completes when everything that is committed now is indexed.</summary>
    public Task IndexAllAsync()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_abandoned) done.SetException(new ObjectDisposedException(nameof(Database)));
            else _waiting.Add((_tail.LastPos, done));
        }
        Ask();
        return done.Task;
    }

    public bool Wants(Moment moment)
    {
        if (moment == Moment.Closing)
        {
            Abandon(); // the next start reads the tail again
            return false;
        }
        if (_pass is null && !Prepare()) return false;
        return moment == Moment.Idle || _tail.Count > MaxTail || _asked;
    }

    public void Write(SqliteStoreConnection connection, Moment moment)
    {
        var pass = _pass!;
        var started = _time.GetTimestamp();
        var time = moment == Moment.Busy ? SliceTime * Math.Max(1, _tail.Count / MaxTail) : SliceTime; // falls behind no further than it must
        var log = connection.Prepare("INSERT OR IGNORE INTO log_index (account, seq, pos, kind, at, lag) VALUES (?,?,?,?,?,?)");
        var peer = connection.Prepare("INSERT OR IGNORE INTO peer_index (account, peer, seq, pos, kind, at) VALUES (?,?,?,?,?,?)");
        try
        {
            for (_writing = _written; _writing < pass.Entries.Count; _writing++)
            {
                if (_writing % RowsPerLook == 0 && _writing > _written && _time.GetElapsedTime(started) > time) return;
                var entry = pass.Entries[_writing];
                log.Bind(1, entry.Account).Bind(2, entry.Seq).Bind(3, entry.Pos).Bind(4, entry.Kind).Bind(5, entry.At).Bind(6, entry.Lag).Step();
                log.Reset();
                peer.Bind(1, entry.Account).Bind(2, entry.Peer).Bind(3, entry.Seq).Bind(4, entry.Pos).Bind(5, entry.Kind).Bind(6, entry.At).Step();
                peer.Reset();
            }
        }
        finally
        {
            log.Reset();
            peer.Reset();
        }
        LogState.Set(connection, LogState.IndexedPos, pass.ThroughPos);
        LogState.Set(connection, LogState.ClockStep, pass.ClockStep);
    }

    public void Committed()
    {
        if (_pass is null)
        {
            SetTimer();
            return;
        }
        _written = _writing;
        if (_written < _pass.Entries.Count) return;
        foreach (var (account, count) in _pass.Accounts) _tail.Drop(account, count);
        var through = _pass.ThroughPos;
        (_pass, _written, _writing) = (null, 0, 0);
        _timerSet = false;
        SetTimer();
        Release(through);
    }

    public void RolledBack() => _writing = _written;

    /// <summary>Gets a pass ready on another thread; true once it is.</summary>
    private bool Prepare()
    {
        if (_preparing is null)
        {
            if (!_asked && !_old && _tail.Count < PassRows) return false;
            _old = false;
            _preparing = Task.Run(Collect);
            _ = _preparing.ContinueWith(static (_, writer) => ((Writer)writer!).Wake(), _writer, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            return false;
        }
        if (!_preparing.IsCompleted) return false;
        var prepared = _preparing;
        _preparing = null;
        if (!prepared.IsCompletedSuccessfully)
        {
            PreparingFailed(prepared.Exception!);
            return false;
        }
        _pass = prepared.GetAwaiter().GetResult();
        (_written, _writing) = (0, 0);
        return true;
    }

    private Pass Collect()
    {
        var through = _tail.LastPos;
        var accounts = new List<(long Account, AccountTail Tail)>();
        foreach (var (account, tail) in _tail.Accounts)
            if (tail.Count > 0) accounts.Add((account, tail));
        accounts.Sort(static (a, b) => a.Account.CompareTo(b.Account));
        var entries = new List<IndexEntry>(_tail.Count);
        var counts = new List<(long, int)>(accounts.Count);
        foreach (var (account, tail) in accounts)
        {
            var before = entries.Count;
            tail.CopyThrough(through, entries);
            if (entries.Count > before) counts.Add((account, entries.Count - before));
        }
        return new Pass(through, entries, counts, _tail.ClockStep);
    }

    private void SetTimer()
    {
        if (_timerSet || _tail.Count == 0) return;
        _timerSet = true;
        _timer.Change(MaxAge, Timeout.InfiniteTimeSpan);
    }

    private void GrowOld()
    {
        _old = true;
        _writer.Wake();
    }

    private void Ask()
    {
        _asked = true;
        _writer.Wake();
    }

    private void Release(long through)
    {
        lock (_gate)
        {
            for (var i = _waiting.Count - 1; i >= 0; i--)
            {
                if (_waiting[i].Pos > through) continue;
                _waiting[i].Done.SetResult();
                _waiting.RemoveAt(i);
            }
            _asked = _waiting.Count > 0;
        }
    }

    private void Abandon()
    {
        lock (_gate)
        {
            foreach (var (_, done) in _waiting) done.TrySetException(new ObjectDisposedException(nameof(Database)));
            _waiting.Clear();
            _abandoned = true;
        }
        _timer.Dispose();
    }

    [LoggerMessage(740, LogLevel.Error, "Preparing to index the log failed; it is tried again")]
    private partial void PreparingFailed(Exception error);
}

/// <summary>Numbers the log keeps about itself.</summary>
internal static class LogState
{
    /// <summary>Entries up to this position are in the indexes.</summary>
    public const string IndexedPos = "indexed_pos";
    /// <summary>The furthest any entry lies behind an earlier one of its account, in milliseconds.</summary>
    public const string ClockStep = "clock_step";

    public static long Get(SqliteStoreConnection connection, string name)
    {
        var get = connection.Prepare("SELECT value FROM log_state WHERE name = ?").Bind(1, name);
        try
        {
            return get.Step() ? get.Long(0) : 0;
        }
        finally
        {
            get.Reset();
        }
    }

    public static void Set(SqliteStoreConnection connection, string name, long value)
    {
        var set = connection.Prepare("INSERT INTO log_state (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2").Bind(1, name).Bind(2, value);
        try
        {
            set.Step();
        }
        finally
        {
            set.Reset();
        }
    }
}
