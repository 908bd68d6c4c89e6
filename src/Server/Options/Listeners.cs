using System.Net;
using System.Net.Sockets;

namespace Indaba.Server.Options;

/// <summary>Which end points the settings ask for.</summary>
internal static class Listeners
{
    /// <summary>
    /// The end points of a port. <c>*</c> is one dual-stack socket where the machine has IPv6; <c>localhost</c> is
    /// 127.0.0.1 and, unless any free port is asked for (each address would get another), ::1.
    /// </summary>
    public static IReadOnlyList<IPEndPoint> EndPoints(IReadOnlyList<string> bind, ListenPort port)
    {
        if (!port.IsOn) return [];
        return [.. bind.SelectMany(item => Addresses(item, port.Number)).Distinct().Select(address => new IPEndPoint(address, port.Number))];
    }

    private static IEnumerable<IPAddress> Addresses(string item, int port) => item switch
    {
        "*" => [Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any],
        "localhost" => port != 0 && HasIPv6Loopback.Value ? [IPAddress.Loopback, IPAddress.IPv6Loopback] : [IPAddress.Loopback],
        _ => [IPAddress.Parse(item)],
    };

    // Containers often have the IPv6 stack but no ::1.
    private static readonly Lazy<bool> HasIPv6Loopback = new(() => Socket.OSSupportsIPv6 && Fault(new IPEndPoint(IPAddress.IPv6Loopback, 0)) is null);

    /// <summary>Why an end point cannot be listened at, or null.</summary>
    public static SocketException? Fault(IPEndPoint endPoint)
    {
        try
        {
            using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            if (endPoint.Address.Equals(IPAddress.IPv6Any)) socket.DualMode = true; // as Kestrel does
            socket.Bind(endPoint);
            socket.Listen(1);
            return null;
        }
        catch (SocketException e)
        {
            return e;
        }
    }
}
