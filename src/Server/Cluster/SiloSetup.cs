using System.Net;
using System.Net.Sockets;
using Indaba.Server.Options;
using Orleans.Configuration;

namespace Indaba.Server.Cluster;

/// <summary>The Orleans silo of this node: who is in the cluster, and who holds which account.</summary>
internal static class SiloSetup
{
    /// <summary>A cluster of all nodes with the same database, or one node by itself: the same engine with a membership of one.</summary>
    public static void AddNode(this ISiloBuilder silo, ServerOptions options)
    {
        var address = IPAddress.Parse(options.Cluster.Address);
        var port = options.Cluster.SiloPort == 0 ? FreePort(address) : options.Cluster.SiloPort;
        if (options.Database.PostgreSql is { Length: > 0 } database) silo.AddMembership(database);
        else silo.AddLocal(address, port, options.Cluster.GatewayPort);
        silo.ConfigureEndpoints(address, port, gatewayPort: options.Cluster.GatewayPort);
        silo.Configure<EndpointOptions>(o => o.GatewayPort = options.Cluster.GatewayPort); // 0: nobody but silos calls grains
        silo.AddGrainService<NodeService>();
        silo.Services.AddSingleton<NodeServiceClient>();
        // A grain without sessions goes after this time without a call; its account is loaded again in a millisecond.
        silo.Configure<GrainCollectionOptions>(o => o.CollectionAge = TimeSpan.FromMinutes(5));
    }

    private static void AddLocal(this ISiloBuilder silo, IPAddress address, int port, int gatewayPort)
    {
        silo.UseLocalhostClustering(port, gatewayPort: gatewayPort == 0 ? FreePort(address) : gatewayPort);
        silo.Configure<DevelopmentClusterMembershipOptions>(o => o.PrimarySiloEndpoint = new IPEndPoint(address, port));
        silo.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = TimeSpan.FromSeconds(10));
    }

    /// <summary>
    /// Membership in the database (its tables: <see cref="Storage.Migrations"/>), tuned so that a killed node is out within a
    /// second and a frozen one within ten; what a false suspicion costs says docs/decisions/0007.
    /// </summary>
    private static void AddMembership(this ISiloBuilder silo, string database)
    {
        silo.UseAdoNetClustering(o =>
        {
            o.Invariant = "Npgsql";
            o.ConnectionString = database;
        });
        silo.Configure<Orleans.Configuration.ClusterOptions>(o => (o.ClusterId, o.ServiceId) = ("indaba", "indaba"));
        silo.Configure<ClusterMembershipOptions>(o =>
        {
            o.ProbeTimeout = TimeSpan.FromSeconds(1);
            o.NumMissedProbesLimit = 2;
            o.TableRefreshTimeout = TimeSpan.FromSeconds(5);
            o.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
            o.DeathVoteExpirationTimeout = TimeSpan.FromSeconds(30);
            o.NumVotesForDeathDeclaration = 2;
        });
        silo.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = TimeSpan.FromSeconds(5));
#pragma warning disable ORLEANSEXP003 // it keeps what survivors hold when a node dies; safety does not hang on it (decision 6)
        silo.AddDistributedGrainDirectory();
#pragma warning restore ORLEANSEXP003
        // Its lease keeps a dead node's share of the directory closed for so long; what it protects from, the claim of the log does too.
        silo.Configure<GrainDirectoryOptions>(o => o.RangeLeaseDuration = TimeSpan.Zero);
    }

    /// <summary>A port that is free now; two servers on one machine must not collide on Orleans' fixed ones.</summary>
    private static int FreePort(IPAddress address)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
