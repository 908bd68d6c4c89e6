using System.Diagnostics;

namespace Indaba.Server.Storage;

/// <summary>
/// The one thread that writes. It drains what is queued into a transaction, commits, and while the disk works the next
/// batch gathers by itself: there is no linger. Order of commits is the order of <see cref="Enqueue"/>.
/// </summary>
#pragma warning disable CA1001 // the thread disposes the timer at its end
internal sealed partial class Writer
#pragma warning restore CA1001
{
    /// <summary>Rows in a batch. More brings nothing (the fsync is shared well by then) and holds the first one up.</summary>
    private const int MaxRows = 512;

    /// <summary>How long parts are left alone after their commit failed, so that a full disk does not make the thread spin.</summary>
    private static readonly TimeSpan PartsPause = TimeSpan.FromSeconds(1);

    private readonly SqliteStoreConnection _connection;
    private readonly Checkpointer _checkpointer;
    private readonly Completions _completions;
    private readonly StorageMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Signal _wake = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ITimer _partsTimer;

    private static readonly WriteItem Sealed = new SealedMark();
    private WriteItem? _inbox;          // newest first; Sealed once closed
    private WriteItem? _pending;        // oldest first; the writer's own
    private IBatchPart[] _parts = [];
    private long _oldestSince;
    private volatile bool _closing;
    private volatile bool _partsPaused;
    private bool _durable = true;

    public Writer(SqliteStoreConnection connection, Checkpointer checkpointer, Completions completions, StorageMetrics metrics, TimeProvider time, ILogger log)
    {
        (_connection, _checkpointer, _completions, _metrics, _time, _log) = (connection, checkpointer, completions, metrics, time, log);
        _partsTimer = time.CreateTimer(static state => ((Writer)state!).ResumeParts(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Completes when the thread has ended.</summary>
    public Task Ended => _ended.Task;

    /// <summary>How long the oldest item has waited for its commit.</summary>
    public TimeSpan OldestWaiting => Volatile.Read(ref _oldestSince) is var since and not 0 ? _time.GetElapsedTime(since) : TimeSpan.Zero;

    public void Start() => new Thread(Run) { Name = "indaba-writer", IsBackground = true }.Start();

    /// <summary>Queues an item. Thread-safe, never blocks. After <see cref="Close"/> it fails.</summary>
    public void Enqueue(WriteItem item)
    {
        item.Since = _time.GetTimestamp();
        _completions.Expect();
        WriteItem? head;
        do
        {
            head = Volatile.Read(ref _inbox);
            if (ReferenceEquals(head, Sealed))
            {
                _completions.Reject(item, new ObjectDisposedException(nameof(Database)));
                return;
            }
            item.Next = head;
        }
        while (Interlocked.CompareExchange(ref _inbox, item, head) != head);
        if (head is null) _wake.Set();
    }

    /// <summary>Makes the thread look whether a part wants to write.</summary>
    public void Wake() => _wake.Set();

    /// <summary>Adds or removes a part. Both happen on the writer thread.</summary>
    public void SetParts(IBatchPart[] parts) => _parts = parts;

    /// <summary>Ends the thread after everything queued, and what the parts have, is committed.</summary>
    public void Close()
    {
        _closing = true;
        _wake.Set();
    }

    private void Run()
    {
        try
        {
            while (true)
            {
                if (TakeBatch() is { } first) Commit(first);
                else if (!CommitParts() && !Rest()) break;
                if (_checkpointer.WantsFinish) _checkpointer.Finish(_connection);
            }
        }
        catch (Exception error)
        {
            WriterDied(error);
            FailAll(error);
        }
        _partsTimer.Dispose();
        _ended.SetResult();
    }

    private void FailAll(Exception error)
    {
        WriteItem?[] chains = [_pending, Interlocked.Exchange(ref _inbox, Sealed)];
        foreach (var chain in chains)
        {
            for (var item = chain; item is not null; item = item.Next) item.Error ??= error;
            if (chain is not null) _completions.Add(chain);
        }
    }

    /// <summary>Waits for work; false when there will be none.</summary>
    private bool Rest()
    {
        Volatile.Write(ref _oldestSince, 0);
        if (!_closing)
        {
            _wake.Wait();
            return true;
        }
        return Interlocked.CompareExchange(ref _inbox, Sealed, null) is not null; // something came in meanwhile
    }

    private WriteItem? TakeBatch()
    {
        if (_pending is null)
        {
            var newest = Interlocked.Exchange(ref _inbox, null);
            while (newest is not null)
            {
                var older = newest.Next;
                newest.Next = _pending;
                _pending = newest;
                newest = older;
            }
            if (_pending is null) return null;
        }
        var first = _pending;
        Volatile.Write(ref _oldestSince, first.Since);
        var last = first;
        for (var rows = first.Rows; last.Next is { } next && rows + next.Rows <= MaxRows; rows += next.Rows) last = next;
        _pending = last.Next;
        last.Next = null;
        return first;
    }

    private void Commit(WriteItem first)
    {
        var started = _time.GetTimestamp();
        int items = 0, rows = 0;
        Exception? fault = null;
        try
        {
            Begin(durable: true);
            for (var item = first; item is not null; item = item.Next)
            {
                items++;
                try
                {
                    item.Apply(_connection);
                    rows += item.Rows;
                }
                catch (Exception error) when (!SqliteFile.IsFaultOfMachine(error) && SqliteFile.InTransaction(_connection))
                {
                    item.Error = error;
                }
            }
            JoinParts(Moment.Busy);
            _connection.Run("COMMIT");
            foreach (var part in _parts) part.Committed();
        }
        catch (Exception error)
        {
            fault = error;
            UndoBatch();
            CommitFailed(error);
            for (var item = first; item is not null; item = item.Next) item.Error ??= error;
        }
        _metrics.Batch(items, rows, _time.GetElapsedTime(started), fault is not null);
        _checkpointer.Written(SqliteFile.TakePagesWritten(_connection));
        _completions.Add(first);
    }

    /// <summary>A commit of parts alone; false when none wants one.</summary>
    private bool CommitParts()
    {
        if (_partsPaused && !_closing) return false;
        var moment = _closing ? Moment.Closing : Moment.Idle;
        if (!Array.Exists(_parts, part => part.Wants(moment))) return false;
        try
        {
            Begin(durable: _closing);
            var allWell = JoinParts(moment);
            _connection.Run("COMMIT");
            foreach (var part in _parts) part.Committed();
            _checkpointer.Written(SqliteFile.TakePagesWritten(_connection));
            if (!allWell) PauseParts();
            return allWell;
        }
        catch (Exception error)
        {
            UndoBatch();
            CommitFailed(error);
            PauseParts();
            return false;
        }
    }

    private bool JoinParts(Moment moment)
    {
        var allWell = true;
        foreach (var part in _parts)
        {
            if (_partsPaused && moment != Moment.Closing || !part.Wants(moment)) continue;
            _connection.Run("SAVEPOINT part");
            try
            {
                part.Write(_connection, moment);
                _connection.Run("RELEASE part");
            }
            catch (Exception error) when (!SqliteFile.IsFaultOfMachine(error) && SqliteFile.InTransaction(_connection))
            {
                _connection.Run("ROLLBACK TO part");
                _connection.Run("RELEASE part");
                part.RolledBack();
                PartFailed(part.GetType().Name, error);
                allWell = false;
            }
        }
        return allWell;
    }

    /// <summary>Another process may hold the file for a while (a backup, an operator's shell): then everybody waits, nothing fails.</summary>
    private void Begin(bool durable)
    {
        if (durable != _durable)
        {
            SqliteFile.SetDurable(_connection, durable);
            _durable = durable;
        }
        while (true)
        {
            try
            {
                _connection.Run("BEGIN IMMEDIATE");
                return;
            }
            catch (Microsoft.Data.Sqlite.SqliteException error) when (error.SqliteErrorCode == SqliteFile.Busy && !_closing)
            {
                HeldByAnother();
            }
        }
    }

    private void UndoBatch()
    {
        try
        {
            if (SqliteFile.InTransaction(_connection)) _connection.Run("ROLLBACK");
        }
        catch (Exception error)
        {
            RollbackFailed(error);
        }
        foreach (var part in _parts) part.RolledBack();
    }

    private void PauseParts()
    {
        _partsPaused = true;
        if (!_closing) _partsTimer.Change(PartsPause, Timeout.InfiniteTimeSpan);
    }

    private void ResumeParts()
    {
        _partsPaused = false;
        _wake.Set();
    }

    private sealed class SealedMark : WriteItem
    {
        internal override int Rows => 0;
        internal override void Apply(SqliteStoreConnection connection) => throw new UnreachableException();
        public override void Committed() => throw new UnreachableException();
        public override void Failed(Exception error) => throw new UnreachableException();
    }

    [LoggerMessage(700, LogLevel.Error, "A commit failed and was undone")]
    private partial void CommitFailed(Exception error);

    [LoggerMessage(701, LogLevel.Error, "Undoing a failed commit failed")]
    private partial void RollbackFailed(Exception error);

    [LoggerMessage(702, LogLevel.Error, "{Part} could not write its part of a commit")]
    private partial void PartFailed(string part, Exception error);

    [LoggerMessage(703, LogLevel.Warning, "Another process holds the database file; writes wait for it")]
    private partial void HeldByAnother();

    [LoggerMessage(704, LogLevel.Critical, "The writer thread died; nothing can be written any more")]
    private partial void WriterDied(Exception error);
}
