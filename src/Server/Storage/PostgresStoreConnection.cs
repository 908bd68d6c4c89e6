using System.Data.Common;
using Npgsql;

namespace Indaba.Server.Storage;

/// <summary>A connection to PostgreSQL. Npgsql prepares by itself what is asked more than once.</summary>
internal sealed class PostgresStoreConnection(NpgsqlConnection connection) : StoreConnection
{
    private readonly Dictionary<string, NpgsqlCommand> _commands = new(StringComparer.Ordinal);

    public override Dialect Dialect => Dialect.Postgres;

    /// <summary>For what the stores' portable SQL cannot say.</summary>
    public NpgsqlConnection Npgsql => connection;

    public override DbCommand Command(string sql, ReadOnlySpan<(string Name, object? Value)> arguments)
    {
        if (!_commands.TryGetValue(sql, out var command))
        {
            command = connection.CreateCommand();
#pragma warning disable CA2100 // constants only, see the class
            command.CommandText = sql;
#pragma warning restore CA2100
            _commands.Add(sql, command);
        }
        command.Parameters.Clear();
        foreach (var (name, value) in arguments) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }

    public override void Dispose()
    {
        foreach (var command in _commands.Values) command.Dispose();
        _commands.Clear();
        connection.Dispose();
    }
}
