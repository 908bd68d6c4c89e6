using System.Data.Common;

namespace Indaba.Server.Storage;

/// <summary>
/// What the stores need of ADO.NET in one line each. Commands stay prepared with their connection, which is what makes
/// this cheaper than a mapper: a login asks five of these questions.
/// </summary>
internal static class Sql
{
    /// <summary>All rows, mapped.</summary>
    public static List<T> Rows<T>(this StoreConnection connection, string sql, Func<DbDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> arguments)
    {
        var rows = new List<T>();
        using var reader = connection.Command(sql, arguments).ExecuteReader();
        while (reader.Read()) rows.Add(map(reader));
        return rows;
    }

    /// <summary>The first row, mapped, or null.</summary>
    public static T? Row<T>(this StoreConnection connection, string sql, Func<DbDataReader, T> map, params ReadOnlySpan<(string Name, object? Value)> arguments)
        where T : class
    {
        using var reader = connection.Command(sql, arguments).ExecuteReader();
        return reader.Read() ? map(reader) : null;
    }

    /// <summary>The first column of the first row as a number, or null when there is no row or it is null.</summary>
    public static long? Number(this StoreConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> arguments) =>
        connection.Command(sql, arguments).ExecuteScalar() switch
        {
            long number => number,
            int number => number, // a literal of PostgreSQL
            decimal number => (long)number, // its sum of long
            _ => null,
        };

    /// <summary>Runs a statement and returns how many rows it changed.</summary>
    public static int Run(this StoreConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> arguments) =>
        connection.Command(sql, arguments).ExecuteNonQuery();

    public static string? StringOrNull(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static long? LongOrNull(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);

    public static byte[]? BytesOrNull(this DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<byte[]>(column);

    /// <summary>A time kept as unix milliseconds.</summary>
    public static DateTimeOffset Time(this DbDataReader reader, int column) => DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(column));
}
