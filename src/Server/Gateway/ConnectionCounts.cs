using System.Collections.Concurrent;
using System.Net;

namespace Indaba.Server.Gateway;

/// <summary>How many connections each address has; loopback is not counted (the reverse proxy, or the administrator).</summary>
internal sealed class ConnectionCounts(Node node)
{
    private readonly ConcurrentDictionary<IPAddress, int> _counts = new();

    /// <summary>Counts a connection; false when the address has as many as it may.</summary>
    public bool TryEnter(IPAddress? address)
    {
        var bound = node.Options.Limits.ConnectionsPerAddress;
        if (address is null || IPAddress.IsLoopback(address)) return true;
        if (_counts.AddOrUpdate(address, 1, static (_, n) => n + 1) <= bound || bound == 0) return true;
        Leave(address);
        node.Metrics.Refused("connections");
        return false;
    }

    /// <summary>A connection has ended.</summary>
    public void Leave(IPAddress? address)
    {
        if (address is null || IPAddress.IsLoopback(address)) return;
        while (_counts.TryGetValue(address, out var n))
        {
            if (n <= 1 ? _counts.TryRemove(new KeyValuePair<IPAddress, int>(address, n)) : _counts.TryUpdate(address, n - 1, n)) return;
        }
    }
}
