#pragma warning disable CS9113 // bodies follow
namespace Indaba.Server.Storage;

/// <summary>Small values of modules by (account, store, key). What a client can put here is bounded by the module.</summary>
internal sealed class DataStore(Database database)
{
    /// <summary>A value, or null.</summary>
    public Task<byte[]?> GetAsync(long account, string store, string key, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Writes a value.</summary>
    public Task SetAsync(long account, string store, string key, byte[] value, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Removes a value; false when there was none.</summary>
    public Task<bool> DeleteAsync(long account, string store, string key, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Removes every value of a store.</summary>
    public Task<int> DeleteAllAsync(long account, string store, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Values of a store with a key above <paramref name="after"/> (null: from the first), in ordinal order of the keys.</summary>
    public Task<IReadOnlyList<KeyValuePair<string, byte[]>>> ListAsync(long account, string store, int limit, string? after = null, CancellationToken cancel = default) =>
        throw new NotImplementedException();
}
