using System.Net;
using System.Net.Sockets;

namespace Indaba.Server.Accounts;

/// <summary>
/// Attempts by address in an hour, for what strangers can try: invitations, registration. IPv6 counts by /64, which one
/// household or machine holds. At most <see cref="MaxAddresses"/> are remembered; when full, all new ones are refused
/// until the hour is over: a flood from so many addresses must not buy more attempts.
/// </summary>
internal sealed class AttemptLimit(TimeProvider time, Func<int> perHour)
{
    public const int MaxAddresses = 50_000;
    private static readonly TimeSpan Window = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _used = [];
    private long _began = time.GetTimestamp();

    /// <summary>Counts an attempt; false when the address has none left.</summary>
    public bool TryTake(IPAddress? address)
    {
        var key = Key(address ?? IPAddress.None);
        lock (_lock)
        {
            if (time.GetElapsedTime(_began) >= Window)
            {
                _used.Clear();
                _began = time.GetTimestamp();
            }
            var used = _used.GetValueOrDefault(key);
            if (used >= perHour() || (used == 0 && _used.Count >= MaxAddresses)) return false;
            _used[key] = used + 1;
            return true;
        }
    }

    /// <summary>Gives an attempt back that was a success.</summary>
    public void Return(IPAddress? address)
    {
        var key = Key(address ?? IPAddress.None);
        lock (_lock)
        {
            if (_used.TryGetValue(key, out var used) && used > 0) _used[key] = used - 1;
        }
    }

    private static IPAddress Key(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        Array.Clear(bytes, 8, 8);
        return new IPAddress(bytes);
    }
}
