using System.Net;
using System.Net.Sockets;
using Orleans.Configuration;

namespace Indaba.Server.Cluster;

/// <summary>The Orleans silo of this node: who holds which account.</summary>
internal static class SiloSetup
{
    /// <summary>One node by itself: the engine of the cluster with a membership of one.</summary>
    public static void AddLocalSilo(this ISiloBuilder silo, Options.ClusterOptions options)
    {
        var address = IPAddress.Parse(options.Address);
        var port = options.SiloPort == 0 ? FreePort(address) : options.SiloPort;
        silo.UseLocalhostClustering(port, gatewayPort: options.GatewayPort == 0 ? FreePort(address) : options.GatewayPort);
        silo.ConfigureEndpoints(address, port, gatewayPort: options.GatewayPort);
        silo.Configure<EndpointOptions>(o => o.GatewayPort = options.GatewayPort); // 0: nobody but this process calls grains
        silo.Configure<DevelopmentClusterMembershipOptions>(o => o.PrimarySiloEndpoint = new IPEndPoint(address, port));
        silo.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = TimeSpan.FromSeconds(10));
        // A grain without sessions goes after this time without a call; its account is loaded again in a millisecond.
        silo.Configure<GrainCollectionOptions>(o => o.CollectionAge = TimeSpan.FromMinutes(5));
    }

    /// <summary>A port that is free now; two servers on one machine must not collide on Orleans' fixed ones.</summary>
    private static int FreePort(IPAddress address)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
