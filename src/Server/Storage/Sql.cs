using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Indaba.Server.Storage;

/// <summary>
/// What the stores need of ADO.NET in one line each. Commands stay prepared with their connection, which is what makes
/// this cheaper than a mapper: a login asks five of these questions.
/// </summary>
internal static class Sql
{
    /// <summary>All rows, mapped.</summary>
    public static List<T> Rows<T>(this SqliteConnection connection, string sql, Func<DbDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> arguments)
    {
        var rows = new List<T>();
        using var reader = Command(connection, sql, arguments).ExecuteReader();
        while (reader.Read()) rows.Add(map(reader));
        return rows;
    }

    /// <summary>The first row, mapped, or null.</summary>
    public static T? Row<T>(this SqliteConnection connection, string sql, Func<DbDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> arguments)
        where T : class
    {
        using var reader = Command(connection, sql, arguments).ExecuteReader();
        return reader.Read() ? map(reader) : null;
    }

    /// <summary>The first column of the first row as a number, or null when there is no row or it is null.</summary>
    public static long? Number(this SqliteConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> arguments) =>
        Command(connection, sql, arguments).ExecuteScalar() as long?;

    /// <summary>Runs a statement and returns how many rows it changed.</summary>
    public static int Run(this SqliteConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> arguments) =>
        Command(connection, sql, arguments).ExecuteNonQuery();

    public static string? StringOrNull(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static long? LongOrNull(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);

    public static byte[]? BytesOrNull(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<byte[]>(column);

    /// <summary>A time kept as unix milliseconds.</summary>
    public static DateTimeOffset Time(this DbDataReader reader, int column) => DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(column));

    private static SqliteCommand Command(SqliteConnection connection, string sql, ReadOnlySpan<(string Name, object? Value)> arguments)
    {
        var command = ((StoreConnection)connection).Command(sql);
        command.Parameters.Clear();
        foreach (var (name, value) in arguments) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }
}
