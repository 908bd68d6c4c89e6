using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// One of the writers of the log in PostgreSQL: a thread, a connection, and the appends of every account whose number falls to it.
/// What comes in while a batch is under way is the next batch; there is no linger. While the database is away the batch
/// waits and is tried again for as long as it takes: nothing is failed, nothing is acked.
/// </summary>
#pragma warning disable CA1001 // the thread disposes its connection at its end
internal sealed partial class LogShard
#pragma warning restore CA1001
{
    /// <summary>Rows and bytes in a batch. More brings nothing (the fsync is shared well by then) and holds the first one up.</summary>
    private const int MaxRows = 512, MaxBytes = 4 << 20;
    /// <summary>How long ticks wait for an append that would carry them.</summary>
    private static readonly TimeSpan TickGather = Cursors.Gather;
    /// <summary>How long the last batch may try when the node stops.</summary>
    private static readonly TimeSpan ClosePatience = TimeSpan.FromSeconds(2);

    private readonly int _number;
    private readonly PostgresDatabase _database;
    private readonly Conversations _conversations;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly object _pausing = new();
    private readonly Signal _wake = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<long, int> _unended = []; // appends of an account whose end is not known
    private readonly ITimer _tickTimer;
    private WriteItem? _first, _last;
    private LogStatements? _statements;
    private int? _formerProcess;            // of a connection that broke while it was at work
    private long _closingSince, _oldestSince;
    private volatile bool _closing, _sealed, _ticksDue;

    public LogShard(int number, PostgresDatabase database, Conversations conversations, ILogger log)
    {
        (_number, _database, _conversations, _log) = (number, database, conversations, log);
        Completions = new Completions(log);
        _tickTimer = database.Time.CreateTimer(static state => ((LogShard)state!).TicksFallDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public Completions Completions { get; }

    /// <summary>What names this writer in the database, and its lock: random, so that it is another one after every start.</summary>
    public long Key { get; } = Math.Max(1, BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8)) & long.MaxValue);

    /// <summary>How long the oldest append has waited for its commit.</summary>
    public TimeSpan OldestWaiting => Volatile.Read(ref _oldestSince) is var since and not 0 ? _database.Time.GetElapsedTime(since) : TimeSpan.Zero;

    public void Start()
    {
        Completions.Start();
        new Thread(Run) { Name = $"indaba-log-{_number}", IsBackground = true }.Start();
    }

    /// <summary>Queues an append. Thread-safe, never blocks.</summary>
    public void Enqueue(Append append)
    {
        lock (_gate)
        {
            if (!_sealed)
            {
                CollectionsMarshal.GetValueRefOrAddDefault(_unended, append.Entry.Account, out _)++;
                Add(append);
                return;
            }
        }
        Completions.Expect();
        Completions.Reject(append, new ObjectDisposedException(nameof(MailboxLog)));
    }

    /// <summary>True when no append of an account is on its way.</summary>
    public bool IsQuiet(long account)
    {
        lock (_gate) return !_unended.ContainsKey(account);
    }

    /// <summary>Completes when all that was enqueued or ticked before has ended.</summary>
    public Task FlushAsync()
    {
        var mark = new Mark();
        lock (_gate)
        {
            if (_sealed) return Task.CompletedTask;
            Add(mark);
        }
        return mark.Done;
    }

    /// <summary>Something waits to be ticked; it goes with the next append, or by itself before long.</summary>
    public void TicksMoved() => _tickTimer.Change(TickGather, Timeout.InfiniteTimeSpan);

    /// <summary>Ends after everything queued is committed, or cannot be.</summary>
    public async Task CloseAsync()
    {
        _closingSince = _database.Time.GetTimestamp();
        _closing = true;
        lock (_pausing) Monitor.PulseAll(_pausing);
        _wake.Set();
        await _ended.Task;
        await _tickTimer.DisposeAsync();
        Completions.Close();
        await Completions.Ended;
    }

    private void Add(WriteItem item)
    {
        item.Since = _database.Time.GetTimestamp();
        item.Next = null;
        Completions.Expect();
        if (_last is null) _first = item;
        else _last.Next = item;
        _last = item;
        if (ReferenceEquals(_first, item)) _wake.Set();
    }

    private void Run()
    {
        try
        {
            Work();
        }
        catch (Exception error)
        {
            WriterDied(_number, error);
            WriteItem? left;
            lock (_gate) (_sealed, left, _first, _last) = (true, _first, null, null);
            for (var item = left; item is not null; item = item.Next) item.Error = error;
            if (left is not null) Completions.Add(left);
        }
        Drop();
        _ended.SetResult();
    }

    private void Work()
    {
        var appends = new List<Append>(MaxRows);
        var ticks = new List<Tick>();
        while (true)
        {
            appends.Clear();
            ticks.Clear();
            var first = TakeBatch(appends);
            if (first is not null || _ticksDue || _closing) TakeTicks(ticks);
            if (first is null && ticks.Count == 0)
            {
                if (Seal()) break;
                if (!_closing) _wake.Wait();
                continue;
            }
            if (appends.Count + ticks.Count > 0) Commit(appends, ticks);
            if (first is not null) Tell(first, appends);
        }
    }

    /// <summary>The oldest items of the queue, as a chain, and the appends among them.</summary>
    private WriteItem? TakeBatch(List<Append> appends)
    {
        lock (_gate)
        {
            Volatile.Write(ref _oldestSince, _first?.Since ?? 0);
            if (_first is null) return null;
            var (first, last, bytes) = (_first, _first, 0L);
            for (var item = first; item is not null; item = item.Next)
            {
                if (item is Append append)
                {
                    bytes += append.Entry.Stanza.Length;
                    if (appends.Count > 0 && (appends.Count == MaxRows || bytes > MaxBytes)) break;
                    appends.Add(append);
                }
                last = item;
            }
            _first = last.Next;
            if (_first is null) _last = null;
            last.Next = null;
            return first;
        }
    }

    private void TakeTicks(List<Tick> ticks)
    {
        _ticksDue = false;
        foreach (var ((account, peer), moved) in _conversations.Take(_number)) ticks.Add(new Tick(account, peer, moved));
    }

    /// <summary>True when it is closing and nothing is left.</summary>
    private bool Seal()
    {
        lock (_gate) return _sealed = _closing && _first is null;
    }

    private void Tell(WriteItem first, List<Append> appends)
    {
        lock (_gate)
        {
            foreach (var append in appends)
            {
                ref var count = ref CollectionsMarshal.GetValueRefOrNullRef(_unended, append.Entry.Account);
                if (--count == 0) _unended.Remove(append.Entry.Account);
            }
        }
        Completions.Add(first);
    }

    /// <summary>Commits a batch, however long that takes; each append's Error says how it ended.</summary>
    private void Commit(List<Append> appends, List<Tick> ticks)
    {
        var batch = new LogBatch(appends, ticks, Open, Forsake);
        var unsure = false;
        for (var attempt = 0; ; attempt++)
        {
            var started = _database.Time.GetTimestamp();
            try
            {
                batch.Commit(unsure);
                _database.Metrics.Batch(appends.Count + ticks.Count, appends.Count, _database.Time.GetElapsedTime(started), failed: false);
                if (batch.Fenced > 0)
                {
                    _database.Metrics.Fenced(batch.Fenced);
                    EntriesFenced(batch.Fenced);
                }
                foreach (var (tick, error) in batch.RefusedTicks) TickRefused(tick.Account, error);
                _conversations.Written(_number);
                if (attempt > 0) Back(_number, attempt);
                return;
            }
            catch (Exception error)
            {
                unsure |= _statements is not null;
                _database.Metrics.Batch(0, 0, TimeSpan.Zero, failed: true);
                if (attempt == 0) Away(_number, error);
                Forsake();
                if (Pause(Backoff.After(attempt))) continue;
                batch.Fail(error);
                _conversations.Undone(_number);
                return;
            }
        }
    }

    /// <summary>The statements on a connection, opened if there is none; what the former one was at has ended by then, one way or the other.</summary>
    private LogStatements Open()
    {
        if (_statements is { IsOpen: true }) return _statements;
        Forsake();
        var connection = _database.Connector.Open(ConnectionKind.Log);
        try
        {
            if (_formerProcess is { } former)
            {
                if (!_database.Connector.EndFormer(connection, former, ConnectionKind.Log)) throw new TimeoutException("The former connection is still at work");
                _formerProcess = null;
                _database.Metrics.Reconnected();
            }
            return _statements = new LogStatements(connection, Key);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Lets go of a connection on which something may still be under way.</summary>
    private void Forsake()
    {
        if (_statements is not null) _formerProcess = _statements.ProcessId;
        Drop();
    }

    private void Drop()
    {
        try
        {
            _statements?.Dispose();
        }
        catch (Exception error) when (PostgresFaults.IsOutage(error) || error is InvalidOperationException)
        {
            // it was broken
        }
        _statements = null;
    }

    /// <summary>Waits before another attempt; false when there should be none.</summary>
    private bool Pause(TimeSpan pause)
    {
        var began = _database.Time.GetTimestamp();
        lock (_pausing)
        {
            while (_database.Time.GetElapsedTime(began) is var passed && passed < pause)
            {
                if (_closing && _database.Time.GetElapsedTime(_closingSince) > ClosePatience) return false;
                Monitor.Wait(_pausing, _closing ? TimeSpan.FromMilliseconds(20) : pause - passed);
            }
        }
        return true;
    }

    private void TicksFallDue()
    {
        _ticksDue = true;
        _wake.Set();
    }

    /// <summary>Its place in the queue is all it is for.</summary>
    private sealed class Mark : WriteItem
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Done => _done.Task;

        internal override int Rows => 0;

        internal override void Apply(SqliteStoreConnection connection) => throw new UnreachableException();

        public override void Committed() => _done.TrySetResult();

        public override void Failed(Exception error) => _done.TrySetException(error);
    }

    [LoggerMessage(760, LogLevel.Warning, "Writer {Writer} of the log cannot commit; what is to be written waits")]
    private partial void Away(int writer, Exception error);

    [LoggerMessage(761, LogLevel.Information, "Writer {Writer} of the log commits again, after {Attempts} attempts")]
    private partial void Back(int writer, int attempts);

    [LoggerMessage(762, LogLevel.Warning, "{Entries} entries are not written here: other nodes have the accounts now")]
    private partial void EntriesFenced(int entries);

    [LoggerMessage(764, LogLevel.Critical, "Writer {Writer} of the log died; nothing that is its can be written any more")]
    private partial void WriterDied(int writer, Exception error);

    [LoggerMessage(763, LogLevel.Error, "PostgreSQL refuses a tick of account {Account}; it is forgotten")]
    private partial void TickRefused(long account, Exception error);
}
