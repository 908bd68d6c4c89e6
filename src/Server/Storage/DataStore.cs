namespace Indaba.Server.Storage;

/// <summary>Small values of modules by (account, store, key). What a client can put here is bounded by the module.</summary>
internal sealed class DataStore(Database database)
{
    /// <summary>A value, or null.</summary>
    public async Task<byte[]?> GetAsync(long account, string store, string key, CancellationToken cancel = default) =>
        await database.ReadAsync((account, store, key), static (connection, at) => connection.Row(
            "SELECT value FROM data WHERE account = @account AND store = @store AND key = @key",
            static row => row.GetFieldValue<byte[]>(0), ("account", at.account), ("store", at.store), ("key", at.key)), cancel);

    /// <summary>Writes a value. For a deleted account it does nothing.</summary>
    public Task SetAsync(long account, string store, string key, byte[] value, CancellationToken cancel = default) => database.WriteAsync(connection =>
        AccountStore.IsLive(connection, account) && connection.Run("""
            INSERT INTO data (account, store, key, value) VALUES (@account, @store, @key, @value)
            ON CONFLICT (account, store, key) DO UPDATE SET value = @value
            """, ("account", account), ("store", store), ("key", key), ("value", value)) > 0, cancel);

    /// <summary>Removes a value; false when there was none.</summary>
    public Task<bool> DeleteAsync(long account, string store, string key, CancellationToken cancel = default) => database.WriteAsync(connection =>
        connection.Run("DELETE FROM data WHERE account = @account AND store = @store AND key = @key", ("account", account), ("store", store), ("key", key)) > 0, cancel);

    /// <summary>Removes every value of a store.</summary>
    public Task<int> DeleteAllAsync(long account, string store, CancellationToken cancel = default) => database.WriteAsync(connection =>
        connection.Run("DELETE FROM data WHERE account = @account AND store = @store", ("account", account), ("store", store)), cancel);

    /// <summary>Values of a store with a key above <paramref name="after"/> (null: from the first), in ordinal order of the keys.</summary>
    public Task<IReadOnlyList<KeyValuePair<string, byte[]>>> ListAsync(long account, string store, int limit, string? after = null, CancellationToken cancel = default) =>
        database.ReadAsync((account, store, limit, after), static IReadOnlyList<KeyValuePair<string, byte[]>> (connection, page) => connection.Rows(
            // An empty key is a key, so the first page needs a condition of its own.
            "SELECT key, value FROM data WHERE account = @account AND store = @store AND (@first = 1 OR key > @after) ORDER BY key LIMIT @limit",
            static row => KeyValuePair.Create(row.GetString(0), row.GetFieldValue<byte[]>(1)),
            ("account", page.account), ("store", page.store), ("first", page.after is null ? 1L : 0L), ("after", page.after ?? ""), ("limit", page.limit)), cancel);
}
