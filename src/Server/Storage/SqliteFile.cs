using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Indaba.Server.Storage;

/// <summary>What is asked of SQLite itself: how its file is opened, made durable and moved.</summary>
internal static class SqliteFile
{
    public const int Busy = 5;
    private const int Full = 13, IoError = 10, NoMemory = 7, Corrupt = 11, ReadOnly = 8, CannotOpen = 14, NotADatabase = 26, Constraint = 19;

    /// <summary>
    /// Pages of 4 KiB: a commit of one row writes one page, and larger ones did not pay with batches either.
    /// wal_autocheckpoint is off because it would stop the committing thread; <see cref="Checkpointer"/> does it beside.
    /// </summary>
    private const string WriterPragmas = """
        PRAGMA page_size = 4096;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA cache_size = -65536;
        PRAGMA temp_store = MEMORY;
        PRAGMA foreign_keys = ON;
        PRAGMA trusted_schema = OFF;
        """;

    private const string ReaderPragmas = """
        PRAGMA query_only = ON;
        PRAGMA cache_size = -8192;
        PRAGMA temp_store = MEMORY;
        PRAGMA trusted_schema = OFF;
        """;

    public static SqliteStoreConnection OpenWriter(string path) => Open(path, SqliteOpenMode.ReadWriteCreate, WriterPragmas);

    public static SqliteStoreConnection OpenReader(string path) => Open(path, SqliteOpenMode.ReadOnly, ReaderPragmas);

    /// <summary>
    /// With <c>true</c> a commit waits for the disk. <c>false</c> is for batches that hold nothing anybody was promised;
    /// they reach the disk with the next one.
    /// </summary>
    public static void SetDurable(SqliteStoreConnection connection, bool durable) =>
        connection.Execute(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"); // takes effect when it is prepared, so never cached

    public static int ReadVersion(SqliteStoreConnection connection) => (int)connection.Scalar("PRAGMA user_version");

    public static void WriteVersion(SqliteStoreConnection connection, int version) =>
        connection.Execute(FormattableString.Invariant($"PRAGMA user_version = {version}"));

    /// <summary>True when the transaction ended by itself, as some errors make it.</summary>
    public static bool InTransaction(SqliteStoreConnection connection) => raw.sqlite3_get_autocommit(connection.Handle) == 0;

    /// <summary>True for faults of the machine rather than of a statement: the whole transaction is in doubt.</summary>
    public static bool IsFaultOfMachine(Exception error) => error is SqliteException { SqliteErrorCode: Full or IoError or NoMemory or Corrupt or ReadOnly or CannotOpen or NotADatabase or Busy };

    public static bool IsConstraint(SqliteException error) => error.SqliteErrorCode == Constraint;

    /// <summary>Pages that this connection wrote to the write-ahead log since the last call.</summary>
    public static int TakePagesWritten(SqliteStoreConnection connection)
    {
        const int cacheWrite = 9; // SQLITE_DBSTATUS_CACHE_WRITE
        _ = raw.sqlite3_db_status(connection.Handle, cacheWrite, out var pages, out _, 1);
        return pages;
    }

    /// <summary>Copies as much of the write-ahead log to the file as can be had without waiting for anybody.</summary>
    /// <returns>Frames in the log, and how many of them are in the file now; (-1, -1) when somebody else is at it.</returns>
    public static (int Frames, int Done) Checkpoint(SqliteStoreConnection connection)
    {
        var result = raw.sqlite3_wal_checkpoint_v2(connection.Handle, "main", raw.SQLITE_CHECKPOINT_PASSIVE, out var frames, out var done);
        if (result is raw.SQLITE_BUSY or raw.SQLITE_LOCKED) return (-1, -1);
        SqliteException.ThrowExceptionForRC(result, connection.Handle);
        return (frames, done);
    }

    private static SqliteStoreConnection Open(string path, SqliteOpenMode mode, string pragmas)
    {
        var text = new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 5 }.ToString();
        var connection = new SqliteStoreConnection(text);
        try
        {
            connection.Open();
            raw.sqlite3_busy_timeout(connection.Handle, 5000);
            connection.Execute(pragmas);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
