using System.Data.Common;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Indaba.Server.Storage;

/// <summary>A connection to the SQLite file, with raw statements for the paths that run per message.</summary>
internal sealed class SqliteStoreConnection(string connectionString) : StoreConnection
{
    private readonly SqliteConnection _connection = new(connectionString);
    private readonly Dictionary<string, SqliteCommand> _commands = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Statement> _statements = new(StringComparer.Ordinal);

    public sqlite3 Handle => _connection.Handle ?? throw new InvalidOperationException("The connection is not open");

    public override Dialect Dialect => Dialect.Sqlite;

    public void Open() => _connection.Open();

    public override DbCommand Command(string sql, ReadOnlySpan<(string Name, object? Value)> arguments)
    {
        if (!_commands.TryGetValue(sql, out var command))
        {
            command = _connection.CreateCommand();
#pragma warning disable CA2100 // constants only, see the class
            command.CommandText = sql;
#pragma warning restore CA2100
            _commands.Add(sql, command);
        }
        command.Parameters.Clear();
        foreach (var (name, value) in arguments) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
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

    public override void Dispose()
    {
        foreach (var statement in _statements.Values) statement.Dispose();
        _statements.Clear();
        foreach (var command in _commands.Values) command.Dispose();
        _commands.Clear();
        _connection.Dispose();
    }
}
