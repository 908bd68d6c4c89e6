using System.Diagnostics.Metrics;
using Microsoft.Data.Sqlite;

namespace Indaba.Server.Storage;

/// <summary>The data cannot be opened or used. The message is a plain sentence for the operator.</summary>
internal sealed class StorageException : Exception
{
    public StorageException(string message) : base(message) { }
    public StorageException(string message, Exception inner) : base(message, inner) { }
}

/// <summary>
/// The SQLite file of a server: a bounded pool of read-only connections, and one writer thread that commits in groups.
/// Everything that writes, the mailbox too, shares that thread and so shares each transaction and its fsync.
/// </summary>
internal sealed class Database : IAsyncDisposable
{
    /// <summary>Opens or creates the file, takes its lock, brings its schema up to date and starts the writer.</summary>
    /// <exception cref="StorageException">Another server holds the data, the schema is newer than this server, or the file cannot be used.</exception>
    public static Task<Database> OpenAsync(string path, TimeProvider time, ILoggerFactory logs, CancellationToken cancel) =>
        OpenAsync(path, time, logs, null, cancel);

    /// <inheritdoc cref="OpenAsync(string, TimeProvider, ILoggerFactory, CancellationToken)"/>
    public static Task<Database> OpenAsync(string path, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters, CancellationToken cancel) =>
        throw new NotImplementedException();

    /// <summary>The clock given at opening.</summary>
    public TimeProvider Time => throw new NotImplementedException();

    /// <summary>
    /// Runs a query on a read-only connection that sees all that was committed before the call. It runs on the caller's
    /// thread when that is a pool thread and a connection is free, else on a pool thread as soon as one is.
    /// </summary>
    public Task<T> ReadAsync<T>(Func<SqliteConnection, T> query, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>
    /// Runs a job on the writer thread inside the next group commit and completes when that is on disk. An exception of
    /// the job undoes this job only (it runs in a savepoint) and is thrown to the caller.
    /// </summary>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> job, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Commits what is queued, then closes; later writes fail.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
