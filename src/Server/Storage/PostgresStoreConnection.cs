using System.Data.Common;
using Npgsql;

namespace Indaba.Server.Storage;

/// <summary>A connection to PostgreSQL. Npgsql prepares by itself what is asked more than once.</summary>
internal sealed class PostgresStoreConnection(NpgsqlConnection connection) : StoreConnection
{
    private IDisposable? _kept;

    public override Dialect Dialect => Dialect.Postgres;

    /// <summary>For what the stores' portable SQL cannot say.</summary>
    public NpgsqlConnection Npgsql => connection;

    /// <summary>What is prepared once on this connection and kept with it.</summary>
    public T Kept<T>(Func<NpgsqlConnection, T> prepare) where T : class, IDisposable
    {
        if (_kept is T kept) return kept;
        if (_kept is not null) throw new InvalidOperationException($"{_kept.GetType().Name} is kept already");
        var prepared = prepare(connection);
        _kept = prepared;
        return prepared;
    }

    public override DbCommand Command(string sql, ReadOnlySpan<(string Name, object? Value)> arguments)
    {
        // A new one each time: a command that is used again keeps the values that its parameters had when it was prepared.
        var command = connection.CreateCommand();
#pragma warning disable CA2100 // constants only, see StoreConnection
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (var (name, value) in arguments) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }

    public override void Dispose()
    {
        _kept?.Dispose();
        connection.Dispose();
    }
}
