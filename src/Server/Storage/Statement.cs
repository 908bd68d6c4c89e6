using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Indaba.Server.Storage;

/// <summary>A prepared statement of SQLite without the layers of ADO.NET, for the paths that run per message.</summary>
internal sealed class Statement(SqliteStoreConnection connection, sqlite3_stmt handle) : IDisposable
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
