using System.Diagnostics.Metrics;
using Microsoft.Data.Sqlite;

namespace Indaba.Server.Storage;

/// <summary>
/// The SQLite file of a server: a bounded pool of read-only connections, and one writer thread that commits in groups.
/// Everything that writes, the mailbox too, shares that thread and so shares each transaction and its fsync.
/// </summary>
internal sealed class Database : IAsyncDisposable
{
    private readonly FileStream _lock;
    private readonly StoreConnection _connection;
    private readonly Checkpointer _checkpointer;
    private readonly ReadPool _readers;
    private int _disposed;

    private Database(string path, FileStream fileLock, StoreConnection connection, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters)
    {
        (_lock, _connection, Time) = (fileLock, connection, time);
        var log = logs.CreateLogger<Database>();
        Metrics = new StorageMetrics(meters);
        Completions = new Completions(log);
        _checkpointer = new Checkpointer(Dialect.OpenWriter(path), Metrics, time, log);
        Writer = new Writer(connection, _checkpointer, Completions, Metrics, time, log);
        _readers = new ReadPool(() => Dialect.OpenReader(path));
        Metrics.Observe(() => Completions.Length, () => Writer.OldestWaiting.TotalSeconds);
        Completions.Start();
        Writer.Start();
    }

    /// <summary>The clock given at opening.</summary>
    public TimeProvider Time { get; }

    internal Writer Writer { get; }
    internal Completions Completions { get; }
    internal StorageMetrics Metrics { get; }

    /// <summary>Opens or creates the file, takes its lock, brings its schema up to date and starts the writer.</summary>
    /// <exception cref="StorageException">Another server holds the data, the schema is newer than this server, or the file cannot be used.</exception>
    public static Task<Database> OpenAsync(string path, TimeProvider time, ILoggerFactory logs, CancellationToken cancel) =>
        OpenAsync(path, time, logs, null, cancel);

    /// <inheritdoc cref="OpenAsync(string, TimeProvider, ILoggerFactory, CancellationToken)"/>
    public static Task<Database> OpenAsync(string path, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters, CancellationToken cancel) =>
        Task.Run(() => Open(Path.GetFullPath(path), time, logs, meters), cancel);

    /// <summary>
    /// Runs a query on a read-only connection that sees all that was committed before the call. It runs on the caller's
    /// thread when that is a pool thread and a connection is free, else on a pool thread as soon as one is.
    /// </summary>
    public Task<T> ReadAsync<T>(Func<SqliteConnection, T> query, CancellationToken cancel = default) =>
        _readers.RunAsync(query, static (connection, query) => query(connection), cancel);

    /// <summary>As the other one, with an argument instead of a closure and with raw statements.</summary>
    internal Task<T> ReadAsync<TArg, T>(TArg argument, Func<StoreConnection, TArg, T> query, CancellationToken cancel) =>
        _readers.RunAsync(argument, query, cancel);

    /// <summary>
    /// Runs a job on the writer thread inside the next group commit and completes when that is on disk. An exception of
    /// the job undoes this job only (it runs in a savepoint) and is thrown to the caller. The job must be short: every
    /// commit waits for it.
    /// </summary>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> job, CancellationToken cancel = default) => WriteRawAsync<T>(job, cancel);

    /// <summary>As <see cref="WriteAsync"/>, with raw statements.</summary>
    internal Task<T> WriteRawAsync<T>(Func<StoreConnection, T> job, CancellationToken cancel)
    {
        var item = new WriteJob<T>(job, cancel);
        Writer.Enqueue(item);
        return item.Task;
    }

    /// <summary>Commits what is queued, then closes; later writes fail.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        Writer.Close();
        await Writer.Ended;
        Completions.Close();
        await Completions.Ended;
        await _checkpointer.DisposeAsync();
        await _readers.DisposeAsync();
        await _connection.DisposeAsync();
        Metrics.Dispose();
        await _lock.DisposeAsync();
    }

    private static Database Open(string path, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters)
    {
        FileStream? fileLock = null;
        StoreConnection? connection = null;
        try
        {
            fileLock = TakeLock(path);
            connection = Dialect.OpenWriter(path);
            Migrations.Run(connection);
            return new Database(path, fileLock, connection, time, logs, meters);
        }
        catch (Exception error)
        {
            connection?.Dispose();
            fileLock?.Dispose();
            if (error is SqliteException or UnauthorizedAccessException or IOException)
                throw new StorageException($"The data in {path} cannot be used: {error.Message}", error);
            throw;
        }
    }

    /// <summary>
    /// A lock on a file beside the data, which the system drops with the process however it ends. SQLite's own locks would
    /// let two servers take turns.
    /// </summary>
    private static FileStream TakeLock(string path)
    {
        const UnixFileMode onlyUs = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        if (Path.GetDirectoryName(path) is { Length: > 0 } folder) Directory.CreateDirectory(folder);
        // Password hashes and tokens are inside: nobody else may read it. SQLite gives its other files the same mode.
        var create = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows()) create.UnixCreateMode = onlyUs;
        FileStream held;
        try
        {
            held = new FileStream(path + ".lock", create);
        }
        catch (IOException error) when (error.HResult is 11 or 35 or unchecked((int)0x80070020)) // EWOULDBLOCK of Linux and BSD, ERROR_SHARING_VIOLATION
        {
            throw new StorageException($"The data in {path} is in use by another running server. Stop that one, or give this one its own folder.", error);
        }
        try
        {
            new FileStream(path, create).Dispose(); // before SQLite opens it: closing a second handle later would drop SQLite's locks
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }
}
