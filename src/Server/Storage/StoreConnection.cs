using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Indaba.Server.Storage;

/// <summary>
/// A connection that keeps what it prepared: every SQL text in this server is a constant, so the two dictionaries are
/// bounded by the source code. Used by one thread at a time.
/// </summary>
internal sealed class StoreConnection(string connectionString) : SqliteConnection(connectionString)
{
    private readonly Dictionary<string, SqliteCommand> _commands = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Statement> _statements = new(StringComparer.Ordinal);

    /// <summary>A command of this text with its parameters emptied.</summary>
    public SqliteCommand Command(string sql)
    {
        if (!_commands.TryGetValue(sql, out var command))
        {
            command = CreateCommand();
#pragma warning disable CA2100 // constants only, see the class
            command.CommandText = sql;
#pragma warning restore CA2100
            _commands.Add(sql, command);
        }
        return command;
    }

    /// <summary>A raw statement of this text, reset and ready to bind.</summary>
    public Statement Prepare(string sql)
    {
        if (!_statements.TryGetValue(sql, out var statement))
        {
            const uint persistent = 1; // SQLITE_PREPARE_PERSISTENT
            SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v3(Handle, sql, persistent, out var handle), Handle);
            statement = new Statement(this, handle);
            _statements.Add(sql, statement);
        }
        return statement;
    }

    /// <summary>Runs a prepared statement that returns nothing.</summary>
    public void Run(string sql)
    {
        var statement = Prepare(sql);
        try
        {
            statement.Step();
        }
        finally
        {
            statement.Reset();
        }
    }

    /// <summary>Runs a text of one or more statements once.</summary>
    public void Execute(string sql)
    {
        var result = raw.sqlite3_exec(Handle, sql);
        if (result != raw.SQLITE_OK) SqliteException.ThrowExceptionForRC(result, Handle);
    }

    /// <summary>The first column of the first row as a number, or 0 when there is none.</summary>
    public long Scalar(string sql)
    {
        var statement = Prepare(sql);
        try
        {
            return statement.Step() ? statement.Long(0) : 0;
        }
        finally
        {
            statement.Reset();
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var statement in _statements.Values) statement.Dispose();
            _statements.Clear();
            foreach (var command in _commands.Values) command.Dispose();
            _commands.Clear();
        }
        base.Dispose(disposing);
    }
}

/// <summary>A prepared statement of SQLite without the layers of ADO.NET, for the paths that run per message.</summary>
internal sealed class Statement(StoreConnection connection, sqlite3_stmt handle) : IDisposable
{
    /// <summary>Goes to the next row; false at the end.</summary>
    public bool Step()
    {
        var result = raw.sqlite3_step(handle);
        if (result == raw.SQLITE_ROW) return true;
        if (result == raw.SQLITE_DONE) return false;
        SqliteException.ThrowExceptionForRC(result, connection.Handle);
        return false;
    }

    /// <summary>Ends the run. Bound values stay.</summary>
    public void Reset() => _ = raw.sqlite3_reset(handle);

    public Statement Bind(int index, long value)
    {
        Check(raw.sqlite3_bind_int64(handle, index, value));
        return this;
    }

    public Statement Bind(int index, string? value)
    {
        if (value is null) Check(raw.sqlite3_bind_null(handle, index));
        else if (value.Length is 0 or > 256) Check(raw.sqlite3_bind_text(handle, index, value));
        else
        {
            Span<byte> utf8 = stackalloc byte[value.Length * 3];
            Check(raw.sqlite3_bind_text(handle, index, utf8[..Encoding.UTF8.GetBytes(value, utf8)]));
        }
        return this;
    }

    public Statement Bind(int index, ReadOnlySpan<byte> value)
    {
        Check(value.IsEmpty ? raw.sqlite3_bind_zeroblob(handle, index, 0) : raw.sqlite3_bind_blob(handle, index, value));
        return this;
    }

    public bool IsNull(int column) => raw.sqlite3_column_type(handle, column) == raw.SQLITE_NULL;

    public long Long(int column) => raw.sqlite3_column_int64(handle, column);

    public string Text(int column) => raw.sqlite3_column_text(handle, column).utf8_to_string() ?? "";

    public string? TextOrNull(int column) => IsNull(column) ? null : Text(column);

    public byte[] Bytes(int column) => raw.sqlite3_column_blob(handle, column).ToArray();

    public void Dispose() => handle.Dispose();

    private void Check(int result)
    {
        if (result != raw.SQLITE_OK) SqliteException.ThrowExceptionForRC(result, connection.Handle);
    }
}
