using System.Data;
using System.Security.Cryptography;
using Npgsql;

namespace Indaba.Server.Storage;

/// <summary>Work whose end a caller awaits, and that goes on through an outage of the database for some time.</summary>
internal abstract class PostgresWork<T>(PostgresPool pool) : PoolWork
{
    /// <summary>
    /// A restart or failover of PostgreSQL takes seconds, a frozen virtual machine may take a minute. Whoever asks must not
    /// get an error for it; who cannot wait cancels.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _since = pool.Time.GetTimestamp();
    private CancellationTokenRegistration _cancelled;

    public Task<T> Task => _done.Task;

    protected bool Ended => _done.Task.IsCompleted;

    /// <summary>The caller's wish ends it at once, wherever its thread is.</summary>
    public void EndWith(CancellationToken cancel)
    {
        if (!cancel.CanBeCanceled) return;
        _cancelled = cancel.UnsafeRegister(static (work, token) => ((PostgresWork<T>)work!)._done.TrySetCanceled(token), this);
    }

    public override void Run(PoolWorker worker)
    {
        for (var attempt = 0; !Ended; attempt++)
        {
            try
            {
                Attempt(worker);
                if (attempt > 0) worker.Pool.Report(null);
                return;
            }
            catch (Exception error) when (IsOutage(error))
            {
                worker.Drop();
                worker.Pool.Report(error);
                if (pool.Time.GetElapsedTime(_since) > Patience || !worker.Pool.Pause(Backoff.After(attempt))) Refuse(error);
            }
            catch (Exception error)
            {
                Refuse(error);
            }
        }
    }

    public override void Refuse(Exception error)
    {
        _cancelled.Dispose();
        _done.TrySetException(error);
    }

    protected virtual bool IsOutage(Exception error) => PostgresFaults.IsOutage(error);

    /// <summary>Does it and calls <see cref="Complete"/>; an outage in it makes another attempt.</summary>
    protected abstract void Attempt(PoolWorker worker);

    protected void Complete(T result)
    {
        _cancelled.Dispose();
        _done.TrySetResult(result);
    }

    protected void Cancelled(CancellationToken cancel) => _done.TrySetCanceled(cancel);
}

/// <summary>A query on one snapshot.</summary>
internal sealed class PostgresRead<TArg, T>(PostgresPool pool, TArg argument, Func<StoreConnection, TArg, T> query) : PostgresWork<T>(pool)
{
    protected override void Attempt(PoolWorker worker)
    {
        NpgsqlTransaction? transaction = null;
        try
        {
            var connection = worker.Connection();
            transaction = connection.Npgsql.BeginTransaction(IsolationLevel.RepeatableRead); // goes out with the first question
            Complete(query(connection, argument)); // nobody need wait for the end of a transaction that has only read
        }
        finally
        {
            worker.Undo(transaction);
        }
    }
}

/// <summary>Statements that need no transaction around them, because each makes sense alone and again.</summary>
internal sealed class PostgresPlain<T>(PostgresPool pool, Func<PostgresStoreConnection, T> statements) : PostgresWork<T>(pool)
{
    protected override bool IsOutage(Exception error) => base.IsOutage(error) || PostgresFaults.IsConflict(error) || PostgresFaults.IsReadOnly(error);

    protected override void Attempt(PoolWorker worker)
    {
        try
        {
            Complete(statements(worker.Connection()));
        }
        catch
        {
            worker.Drop();
            throw;
        }
    }
}

/// <summary>
/// A job in a serializable transaction of its own, so that what it found before it wrote is still so when it is committed. If the
/// connection breaks while it is being committed nobody knows how that ended, so each job leaves a mark: the mark is there, or the job was
/// undone and runs again. No job need therefore be one that may be done twice.
/// </summary>
internal sealed class PostgresJob<T>(PostgresPool pool, PostgresConnector connector, Func<StoreConnection, T> job, CancellationToken cancel) : PostgresWork<T>(pool)
{
    /// <summary>A unique key may be hit before the conflict is seen that explains it; run again, the job finds the other's row by itself.</summary>
    private const int DuplicatesAtMost = 3;

    private readonly long _mark = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8));
    private readonly TimeProvider _time = pool.Time;
    private int _duplicates, _conflicts;
    private (int ProcessId, T Result)? _unsure;

    protected override bool IsOutage(Exception error) => base.IsOutage(error) || PostgresFaults.IsReadOnly(error);

    protected override void Attempt(PoolWorker worker)
    {
        while (!Ended)
        {
            if (_unsure is not null && IsDecided(worker)) return;
            if (cancel.IsCancellationRequested)
            {
                Cancelled(cancel);
                return;
            }
            try
            {
                RunOnce(worker);
                return;
            }
            catch (Exception error) when (PostgresFaults.IsConflict(error) || PostgresFaults.IsDuplicate(error) && ++_duplicates < DuplicatesAtMost)
            {
                worker.Pool.Metrics.JobRetried();
                if (!worker.Pool.Pause(Backoff.After(Math.Min(_conflicts++, 4)) / 4)) throw;
            }
        }
    }

    private void RunOnce(PoolWorker worker)
    {
        NpgsqlTransaction? transaction = null;
        try
        {
            var connection = worker.Connection();
            transaction = connection.Npgsql.BeginTransaction(IsolationLevel.Serializable);
            var result = job(connection);
            connection.Run("INSERT INTO job (id, at) SELECT @id, @at WHERE pg_current_xact_id_if_assigned() IS NOT NULL", // a job that wrote nothing needs none
                ("id", _mark), ("at", _time.GetUtcNow().ToUnixTimeMilliseconds()));
            _unsure = (connection.Npgsql.ProcessID, result);
            try
            {
                transaction.Commit();
            }
            catch (PostgresException error) when (!IsOutage(error))
            {
                _unsure = null; // it was answered: undone
                throw;
            }
            Complete(result);
        }
        finally
        {
            worker.Undo(transaction);
        }
    }

    /// <summary>True when an attempt that broke off in its commit turns out to be committed.</summary>
    private bool IsDecided(PoolWorker worker)
    {
        var connection = worker.Connection();
        if (!connector.EndFormer(connection.Npgsql, _unsure!.Value.ProcessId, ConnectionKind.Jobs)) throw new TimeoutException("The former connection is still at work");
        var result = _unsure.Value.Result;
        var found = connection.Number("SELECT 1 FROM job WHERE id = @id", ("id", _mark)) is not null;
        _unsure = null;
        if (found) Complete(result);
        return found;
    }
}
