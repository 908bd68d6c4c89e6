using System.Diagnostics.Metrics;
using Microsoft.Data.Sqlite;

namespace Indaba.Server.Storage;

/// <summary>
/// The SQLite file of a server: a bounded pool of read-only connections, and one writer thread that commits in groups.
/// Everything that writes, the mailbox too, shares that thread and so shares each transaction and its fsync.
/// </summary>
internal sealed class SqliteDatabase : Database
{
    private readonly FileStream _lock;
    private readonly SqliteStoreConnection _connection;
    private readonly Checkpointer _checkpointer;
    private readonly ReadPool _readers;
    private int _disposed;

    private SqliteDatabase(string path, FileStream fileLock, SqliteStoreConnection connection, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters)
        : base(time, new StorageMetrics(meters))
    {
        (_lock, _connection) = (fileLock, connection);
        var log = logs.CreateLogger<SqliteDatabase>();
        Completions = new Completions(log);
        _checkpointer = new Checkpointer(SqliteFile.OpenWriter(path), Metrics, time, log);
        Writer = new Writer(connection, _checkpointer, Completions, Metrics, time, log);
        _readers = new ReadPool(() => SqliteFile.OpenReader(path));
        Metrics.Observe(() => Completions.Length, () => Writer.OldestWaiting.TotalSeconds);
        Completions.Start();
        Writer.Start();
    }

    internal Writer Writer { get; }
    internal Completions Completions { get; }

    /// <summary>Opens or creates the file, takes its lock, brings its schema up to date and starts the writer.</summary>
    /// <exception cref="StorageException">Another server holds the data, the schema is newer than this server, or the file cannot be used.</exception>
    public static Task<SqliteDatabase> OpenAsync(string path, TimeProvider time, ILoggerFactory logs, CancellationToken cancel) =>
        OpenAsync(path, time, logs, null, cancel);

    /// <inheritdoc cref="OpenAsync(string, TimeProvider, ILoggerFactory, CancellationToken)"/>
    public static Task<SqliteDatabase> OpenAsync(string path, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters, CancellationToken cancel) =>
        Task.Run(() => Open(Path.GetFullPath(path), time, logs, meters), cancel);

    /// <summary>Runs on the caller's thread when that is a pool thread and a connection is free, else on a pool thread as soon as one is.</summary>
    public override Task<T> ReadAsync<TArg, T>(TArg argument, Func<StoreConnection, TArg, T> query, CancellationToken cancel) =>
        _readers.RunAsync<TArg, T>(argument, query, cancel);

    /// <summary>As <see cref="ReadAsync"/>, with raw statements.</summary>
    internal Task<T> ReadRawAsync<TArg, T>(TArg argument, Func<SqliteStoreConnection, TArg, T> query, CancellationToken cancel) =>
        _readers.RunAsync(argument, query, cancel);

    /// <summary>
    /// Runs on the writer thread inside the next group commit, in a savepoint of its own: every commit waits for it.
    /// </summary>
    public override Task<T> WriteAsync<T>(Func<StoreConnection, T> job, CancellationToken cancel = default) => WriteRawAsync<T>(job, cancel);

    /// <summary>As <see cref="WriteAsync"/>, with raw statements.</summary>
    internal Task<T> WriteRawAsync<T>(Func<SqliteStoreConnection, T> job, CancellationToken cancel)
    {
        var item = new WriteJob<T>(job, cancel);
        Writer.Enqueue(item);
        return item.Task;
    }

    /// <summary>Commits what is queued, then closes; later writes fail.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        Writer.Close();
        await Writer.Ended;
        Completions.Close();
        await Completions.Ended;
        await _checkpointer.DisposeAsync();
        await _readers.DisposeAsync();
        _connection.Dispose();
        Metrics.Dispose();
        await _lock.DisposeAsync();
    }

    private static SqliteDatabase Open(string path, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters)
    {
        FileStream? fileLock = null;
        SqliteStoreConnection? connection = null;
        try
        {
            fileLock = TakeLock(path);
            connection = SqliteFile.OpenWriter(path);
            Migrate(connection);
            return new SqliteDatabase(path, fileLock, connection, time, logs, meters);
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

    /// <summary>Runs what is missing of the schema, each entry in a transaction of its own.</summary>
    private static void Migrate(SqliteStoreConnection connection)
    {
        var version = SqliteFile.ReadVersion(connection);
        Migrations.Refuse(version);
        for (; version < Migrations.Latest; version++)
        {
            connection.Execute("BEGIN IMMEDIATE");
            try
            {
                connection.Execute(Migrations.Step(connection.Dialect, version));
                SqliteFile.WriteVersion(connection, version + 1);
                connection.Execute("COMMIT");
            }
            catch
            {
                if (SqliteFile.InTransaction(connection)) connection.Execute("ROLLBACK");
                throw;
            }
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
