using System.Data;
using Npgsql;

namespace Indaba.Server.Storage;

/// <summary>Something to be done on a connection, on a thread of a <see cref="PostgresPool"/>.</summary>
internal abstract class PoolWork
{
    /// <summary>Does it and tells its end, whatever that is; called once.</summary>
    public abstract void Run(PoolWorker worker);

    /// <summary>Tells that it will not be done.</summary>
    public abstract void Refuse(Exception error);
}

/// <summary>
/// A few threads, each with a connection of its own. They are threads and not pool threads because a database that does not
/// answer holds them: the rest of the server must not notice. What waits is done in order.
/// </summary>
internal sealed partial class PostgresPool(string name, int size, Func<NpgsqlConnection> open, StorageMetrics metrics, TimeProvider time, ILogger log) : IAsyncDisposable
{
    /// <summary>What may wait. Each login has one question at a time, so this is more logins at a time than a node admits.</summary>
    private const int MaxWaiting = 50_000;
    /// <summary>A connection that nobody needs is given back after this; the server has them for all nodes together.</summary>
    private static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(1);

    private readonly ILogger _log = log;
    private readonly object _gate = new(), _pausing = new();
    private readonly Queue<PoolWork> _waiting = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _threads, _idle;
    private volatile bool _closed;
    private bool _down;

    public TimeProvider Time => time;

    public StorageMetrics Metrics => metrics;

    public NpgsqlConnection Open() => open();

    /// <summary>Queues work. Thread-safe, never blocks.</summary>
    public void Enqueue(PoolWork work)
    {
        Exception? refusal = null;
        lock (_gate)
        {
            if (_closed) refusal = new ObjectDisposedException(nameof(Database));
            else if (_waiting.Count >= MaxWaiting) refusal = new StorageException("Too much waits for the database");
            else
            {
                _waiting.Enqueue(work);
                if (_idle >= _waiting.Count) Monitor.Pulse(_gate); // those woken before may not have taken theirs yet
                else if (_threads < size) new Thread(Work) { Name = $"indaba-{name}-{_threads++}", IsBackground = true }.Start();
            }
        }
        if (refusal is not null) work.Refuse(refusal);
    }

    /// <summary>Waits before another attempt; false when the pool closes, so that there should be none.</summary>
    public bool Pause(TimeSpan pause)
    {
        var until = time.GetTimestamp();
        lock (_pausing)
        {
            while (!_closed && time.GetElapsedTime(until) is var passed && passed < pause) Monitor.Wait(_pausing, pause - passed);
            return !_closed;
        }
    }

    /// <summary>Says so when the database has gone or has come back.</summary>
    public void Report(Exception? outage)
    {
        lock (_gate)
        {
            if (_down == outage is not null) return;
            _down = outage is not null;
        }
        if (outage is null) Back(name);
        else Away(name, outage.Message);
    }

    /// <summary>Does what waits, then ends. What meets an outage from here on fails.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
            if (_threads == 0) _ended.TrySetResult();
        }
        lock (_pausing) Monitor.PulseAll(_pausing);
        await _ended.Task;
    }

    private void Work()
    {
        using var worker = new PoolWorker(this);
        while (Next(worker) is { } work)
        {
            try
            {
                work.Run(worker);
            }
            catch (Exception error)
            {
                WorkThrew(error);
                worker.Drop();
                work.Refuse(error);
            }
        }
        worker.Drop();
        lock (_gate)
        {
            if (--_threads == 0 && _closed) _ended.TrySetResult();
        }
    }

    private PoolWork? Next(PoolWorker worker)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_waiting.TryDequeue(out var work)) return work;
                if (_closed) return null;
                _idle++;
                var woken = Monitor.Wait(_gate, IdleTime);
                _idle--;
                if (woken || _waiting.Count > 0) continue;
            }
            worker.Rest();
        }
    }

    [LoggerMessage(750, LogLevel.Warning, "PostgreSQL ({Pool}) does not serve: {Reason}. What was asked waits")]
    private partial void Away(string pool, string reason);

    [LoggerMessage(751, LogLevel.Information, "PostgreSQL ({Pool}) serves again")]
    private partial void Back(string pool);

    [LoggerMessage(752, LogLevel.Error, "Work for the database broke off")]
    private partial void WorkThrew(Exception error);
}

/// <summary>A thread's hold on its connection.</summary>
internal sealed class PoolWorker(PostgresPool pool) : IDisposable
{
    private PostgresStoreConnection? _connection;
    private bool _hadOne;

    public PostgresPool Pool => pool;

    /// <summary>The connection; opened when there is none.</summary>
    public PostgresStoreConnection Connection()
    {
        if (_connection is { Npgsql.State: ConnectionState.Open }) return _connection;
        Drop();
        _connection = new PostgresStoreConnection(pool.Open());
        if (_hadOne) pool.Metrics.Reconnected();
        _hadOne = true;
        return _connection;
    }

    /// <summary>Lets go of a connection that may be broken.</summary>
    public void Drop()
    {
        try
        {
            _connection?.Dispose();
        }
        catch (Exception error) when (PostgresFaults.IsOutage(error) || error is InvalidOperationException)
        {
            // it was broken
        }
        _connection = null;
    }

    /// <summary>Gives back a connection that is not needed.</summary>
    public void Rest()
    {
        Drop();
        _hadOne = false;
    }

    /// <summary>Undoes an open transaction, and lets go of a connection on which that cannot be done.</summary>
    public void Undo(NpgsqlTransaction? transaction)
    {
        try
        {
            if (_connection?.Npgsql.State == ConnectionState.Open)
            {
                transaction?.Dispose();
                return;
            }
        }
        catch (Exception error) when (PostgresFaults.IsOutage(error) || error is InvalidOperationException or PostgresException)
        {
            // then by ending the connection
        }
        Drop();
    }

    public void Dispose() => Drop();
}
