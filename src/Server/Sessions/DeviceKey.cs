namespace Indaba.Server.Sessions;

/// <summary>
/// What names a device: its SASL2 user-agent id (XEP-0388), else the resource that it asked for. A client that names
/// neither shares the empty key with all such clients of its account.
/// </summary>
internal readonly record struct DeviceKey(string Key, string Resource)
{
    /// <summary>True when the device can be told from others.</summary>
    public bool Named => Key.Length > 0;

    /// <summary>The key of a SASL2 user agent.</summary>
    public static DeviceKey OfUserAgent(string id, string resource) => new("ua:" + id, resource);
    /// <summary>The key of a client that asked for its resource.</summary>
    public static DeviceKey OfResource(string resource) => new("r:" + resource, resource);
    /// <summary>The key of a client that names nothing.</summary>
    public static DeviceKey Unnamed(string resource) => new("", resource);
}
