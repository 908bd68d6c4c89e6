namespace Indaba.Server.Storage;

/// <summary>
/// Where a server keeps its data: an SQLite file for one node (<see cref="SqliteDatabase"/>), a PostgreSQL database for many
/// (<see cref="PostgresDatabase"/>).
/// </summary>
internal abstract class Database(TimeProvider time, StorageMetrics metrics) : IAsyncDisposable
{
    /// <summary>The clock given at opening.</summary>
    public TimeProvider Time => time;

    internal StorageMetrics Metrics => metrics;

    /// <summary>
    /// Runs a query on a read-only connection and one snapshot, which has all that was committed before the call. It may
    /// be run again, so it must do nothing but read.
    /// </summary>
    public abstract Task<T> ReadAsync<TArg, T>(TArg argument, Func<StoreConnection, TArg, T> query, CancellationToken cancel);

    /// <summary>As the other one, with a closure.</summary>
    public Task<T> ReadAsync<T>(Func<StoreConnection, T> query, CancellationToken cancel = default) =>
        ReadAsync(query, static (connection, query) => query(connection), cancel);

    /// <summary>
    /// Runs a job as if no other ran beside it, and completes when what it wrote is on disk. An exception of the job undoes
    /// all of it and is thrown to the caller. The job may be run again after it was undone, so it must change nothing but the
    /// database; and it must be short.
    /// </summary>
    public abstract Task<T> WriteAsync<T>(Func<StoreConnection, T> job, CancellationToken cancel = default);

    /// <summary>Commits what is queued, then closes; later reads and writes fail.</summary>
    public abstract ValueTask DisposeAsync();
}
