using Npgsql;
using NpgsqlTypes;

namespace Indaba.Server.Storage;

/// <summary>An array parameter: one column of the rows that a statement with <c>unnest</c> takes. Filled again for each batch.</summary>
internal sealed class PostgresColumn<T>
{
    private readonly List<T> _values = [];

    public PostgresColumn(NpgsqlBatchCommand command, NpgsqlDbType type) =>
        command.Parameters.Add(new NpgsqlParameter<List<T>> { TypedValue = _values, NpgsqlDbType = NpgsqlDbType.Array | type });

    public void Clear() => _values.Clear();

    public void Add(T value) => _values.Add(value);
}
