using System.Data.Common;

namespace Indaba.Server.Storage;

/// <summary>A device of an account: the SASL2 user-agent id, what it calls itself (XEP-0388 section 2.3), and the resource it last had.</summary>
internal sealed record DeviceRow(string Device, string? Name, string? Software, string? Resource, DateTimeOffset FirstSeen, DateTimeOffset LastSeen);

/// <summary>The devices that have logged in to an account; at most <see cref="MaxDevices"/>, the longest unseen makes room.</summary>
internal sealed class DeviceStore(Database database)
{
    /// <summary>Devices kept for an account: a client can invent ids without end.</summary>
    public const int MaxDevices = 100;

    private const string Columns = "device, name, software, resource, first_seen, last_seen";

    /// <summary>Records a login; the first one creates the row. For a deleted account it does nothing.</summary>
    public Task SeenAsync(long account, string device, string? name, string? software, string? resource, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        if (!AccountStore.IsLive(connection, account)) return false;
        connection.Run("""
            INSERT INTO device (account, device, name, software, resource, first_seen, last_seen) VALUES (@account, @device, @name, @software, @resource, @now, @now)
            ON CONFLICT (account, device) DO UPDATE SET name = @name, software = @software, resource = @resource, last_seen = @now
            """, ("account", account), ("device", device), ("name", name), ("software", software), ("resource", resource),
            ("now", database.Time.GetUtcNow().ToUnixTimeMilliseconds()));
        connection.Run("""
            DELETE FROM device WHERE account = @account AND device <> @device AND device IN (
                SELECT device FROM device WHERE account = @account ORDER BY last_seen DESC LIMIT @many OFFSET @keep)
            """, ("account", account), ("device", device), ("many", (long)int.MaxValue), ("keep", (long)MaxDevices));
        return true;
    }, cancel);

    /// <summary>A device, or null.</summary>
    public Task<DeviceRow?> FindAsync(long account, string device, CancellationToken cancel = default) =>
        database.ReadAsync((account, device), static (connection, key) => connection.Row(
            $"SELECT {Columns} FROM device WHERE account = @account AND device = @device", Read, ("account", key.account), ("device", key.device)), cancel);

    /// <summary>All devices, last seen first.</summary>
    public Task<IReadOnlyList<DeviceRow>> ListAsync(long account, CancellationToken cancel = default) =>
        database.ReadAsync(account, static IReadOnlyList<DeviceRow> (connection, account) => connection.Rows(
            $"SELECT {Columns} FROM device WHERE account = @account ORDER BY last_seen DESC, device", Read, ("account", account)), cancel);

    /// <summary>Removes a device with its FAST tokens and cursors in one job; false when there was none.</summary>
    public Task<bool> DeleteAsync(long account, string device, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        connection.Run("DELETE FROM token WHERE account = @account AND device = @device", ("account", account), ("device", device));
        connection.Run("DELETE FROM cursor WHERE account = @account AND device = @device", ("account", account), ("device", device));
        return connection.Run("DELETE FROM device WHERE account = @account AND device = @device", ("account", account), ("device", device)) > 0;
    }, cancel);

    private static DeviceRow Read(DbDataReader row) => new(row.GetString(0), row.StringOrNull(1), row.StringOrNull(2), row.StringOrNull(3), row.Time(4), row.Time(5));
}
