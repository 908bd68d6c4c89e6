#pragma warning disable CS9113 // bodies follow
namespace Indaba.Server.Storage;

/// <summary>A device of an account: the SASL2 user-agent id, what it calls itself (XEP-0388 section 2.3), and the resource it last had.</summary>
internal sealed record DeviceRow(string Device, string? Name, string? Software, string? Resource, DateTimeOffset FirstSeen, DateTimeOffset LastSeen);

/// <summary>The devices that have logged in to an account; at most <see cref="MaxDevices"/>, the longest unseen makes room.</summary>
internal sealed class DeviceStore(Database database)
{
    /// <summary>Devices kept for an account: a client can invent ids without end.</summary>
    public const int MaxDevices = 100;

    /// <summary>Records a login; the first one creates the row.</summary>
    public Task SeenAsync(long account, string device, string? name, string? software, string? resource, CancellationToken cancel = default) =>
        throw new NotImplementedException();

    /// <summary>A device, or null.</summary>
    public Task<DeviceRow?> FindAsync(long account, string device, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>All devices, last seen first.</summary>
    public Task<IReadOnlyList<DeviceRow>> ListAsync(long account, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Removes a device with its FAST tokens and cursors in one job; false when there was none.</summary>
    public Task<bool> DeleteAsync(long account, string device, CancellationToken cancel = default) => throw new NotImplementedException();
}
