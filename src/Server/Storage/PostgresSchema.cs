using Npgsql;

namespace Indaba.Server.Storage;

/// <summary>Brings the schema of a PostgreSQL database up to date, however many nodes start at the same moment.</summary>
internal static class PostgresSchema
{
    /// <summary>"indaba" in bytes: the lock of those that change the schema.</summary>
    private const long LockKey = 0x696e64616261;
    /// <summary>A migration of a large table may take long; those who wait for it wait.</summary>
    private const int LockSeconds = 3600;

    /// <exception cref="StorageException">The database is of a newer server, or not as this server needs it.</exception>
    public static void Update(PostgresStoreConnection connection)
    {
        if (connection.Row("SELECT current_setting('server_encoding')", static row => row.GetString(0)) is not "UTF8" and var encoding)
            throw new StorageException($"The PostgreSQL database is encoded in {encoding}; it must be UTF8 (CREATE DATABASE ... ENCODING 'UTF8').");
        Execute(connection.Npgsql, $"SELECT pg_advisory_lock({LockKey})"); // freed with the connection
        Execute(connection.Npgsql, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)");
        var version = (int)(connection.Number("SELECT version FROM schema_version") ?? 0);
        Migrations.Refuse(version);
        for (; version < Migrations.Latest; version++)
        {
            using var transaction = connection.Npgsql.BeginTransaction();
            if (Migrations.Step(connection.Dialect, version) is { Length: > 0 } step) Execute(connection.Npgsql, step);
            if (connection.Run("UPDATE schema_version SET version = @version", ("version", version + 1)) == 0)
                connection.Run("INSERT INTO schema_version (version) VALUES (@version)", ("version", version + 1));
            transaction.Commit();
        }
        Execute(connection.Npgsql, $"SELECT pg_advisory_unlock({LockKey})");
    }

    private static void Execute(NpgsqlConnection connection, string sql)
    {
#pragma warning disable CA2100 // constants of this server
        using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = LockSeconds };
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }
}
