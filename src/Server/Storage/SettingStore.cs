using System.Data.Common;

namespace Indaba.Server.Storage;

/// <summary>One setting that all nodes share.</summary>
internal sealed record StoredSetting(string Name, string Value, DateTimeOffset SetAt, string SetBy);

/// <summary>The settings that all nodes share. A version goes up with each change, so that asking whether there is one costs one row.</summary>
internal sealed class SettingStore(Database database)
{
    private const string Version = "SELECT version FROM setting_version WHERE id = 1";
    private const string Advance = """
        INSERT INTO setting_version (id, version) VALUES (1, 1)
        ON CONFLICT (id) DO UPDATE SET version = setting_version.version + 1
        """;

    /// <summary>The version; 0 while nothing was ever set.</summary>
    public Task<long> VersionAsync(CancellationToken cancel = default) => database.ReadAsync(static connection => connection.Number(Version) ?? 0, cancel);

    /// <summary>All of them, and the version that they belong to.</summary>
    public Task<(long Version, IReadOnlyList<StoredSetting> Settings)> ListAsync(CancellationToken cancel = default) => database.ReadAsync(
        static (long, IReadOnlyList<StoredSetting>) (connection) => (connection.Number(Version) ?? 0,
            connection.Rows("SELECT name, value, set_at, set_by FROM setting ORDER BY name", Read)), cancel);

    /// <summary>Writes a setting.</summary>
    public Task<int> SetAsync(StoredSetting setting, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        connection.Run(Advance);
        return connection.Run("""
            INSERT INTO setting (name, value, set_at, set_by) VALUES (@name, @value, @at, @by)
            ON CONFLICT (name) DO UPDATE SET value = @value, set_at = @at, set_by = @by
            """, ("name", setting.Name), ("value", setting.Value), ("at", setting.SetAt.ToUnixTimeMilliseconds()), ("by", setting.SetBy));
    }, cancel);

    /// <summary>Removes a setting; false when it was not set.</summary>
    public Task<bool> UnsetAsync(string name, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        if (connection.Run("DELETE FROM setting WHERE name = @name", ("name", name)) == 0) return false;
        connection.Run(Advance);
        return true;
    }, cancel);

    private static StoredSetting Read(DbDataReader row) => new(row.GetString(0), row.GetString(1), row.Time(2), row.GetString(3));
}
