using System.Net;
using Indaba.Cluster;

namespace Indaba.Faults;

/// <summary>What a fault breaks. Two faults do not break the same thing at once, for the healing of one would end the other.</summary>
internal enum Part { Node, Database, Balancer, Clients }

/// <summary>From when the time to serve again is measured.</summary>
internal enum From
{
    /// <summary>The fault itself: the others are to serve while it lasts.</summary>
    Injection,
    /// <summary>Its end: while it lasts nobody can serve.</summary>
    Healing,
}

/// <summary>What a fault works on.</summary>
/// <param name="Target">The cluster.</param>
/// <param name="Node">The node, if it is about one.</param>
/// <param name="Other">Another node.</param>
internal sealed record Scene(Target Target, IClusterNode Node, IClusterNode Other)
{
    /// <summary>The number of the node, from 1.</summary>
    public int Number => Target.Nodes.ToList().IndexOf(Node) + 1;
    /// <summary>The address of the other node.</summary>
    public IPAddress OtherAddress => Networks.NodeAddress(Target.Nodes.ToList().IndexOf(Other) + 1);
    /// <summary>What the injection leaves for the healing.</summary>
    public IAsyncDisposable? Held { get; set; }
    /// <summary>As <see cref="Held"/>: an address taken from clients.</summary>
    public IPAddress? LostAddress { get; set; }
}

/// <summary>A fault: how it is made, how long it lasts, how it is ended.</summary>
internal sealed record Fault(string Name, Part Part, From From, TimeSpan Shortest, TimeSpan Longest)
{
    /// <summary>Makes it.</summary>
    public required Func<Scene, Task> Inject { get; init; }
    /// <summary>Ends it.</summary>
    public required Func<Scene, Task> Heal { get; init; }
    /// <summary>True when it needs networks of the nodes' own.</summary>
    public bool NeedsNetworks { get; init; }
    /// <summary>True when it needs a database on a small disk.</summary>
    public bool NeedsDisk { get; init; }
    /// <summary>The fewest nodes with which it makes sense.</summary>
    public int Nodes { get; init; } = 1;
}

/// <summary>All faults.</summary>
internal static class Catalogue
{
    /// <summary>The faults that a run with these options makes.</summary>
    public static IReadOnlyList<Fault> For(FaultOptions options, bool networks) =>
        [.. All(options).Where(f => (networks || !f.NeedsNetworks && !f.NeedsDisk) && options.Nodes >= f.Nodes && (options.Only.Count == 0 || options.Only.Any(o => f.Name.Contains(o, StringComparison.Ordinal))))];

    /// <summary>Every fault there is.</summary>
    public static IReadOnlyList<Fault> All(FaultOptions options) => [.. Processes(options), .. Databases(options), .. Cables(options)];

    private static IEnumerable<Fault> Processes(FaultOptions options)
    {
        yield return new Fault("node killed (SIGKILL)", Part.Node, From.Injection, Seconds(0), Seconds(5)) { Inject = s => s.Node.Kill(), Heal = s => s.Node.Start() };
        yield return new Fault($"node frozen (SIGSTOP, {Shortest(options)} to {options.LongestHold} s)", Part.Node, From.Injection, Seconds(Shortest(options)), Seconds(options.LongestHold))
        {
            Inject = s => Now(s.Node.Freeze),
            Heal = s => Now(s.Node.Thaw),
        };
        yield return new Fault("node stopped in order (SIGTERM) and started", Part.Node, From.Injection, Seconds(0), Seconds(2)) { Inject = s => s.Node.Stop(), Heal = s => s.Node.Start() };
        yield return new Fault("all clients dropped (HAProxy killed)", Part.Balancer, From.Healing, Seconds(0), Seconds(0)) { Inject = s => s.Target.Balancer.Kill(), Heal = s => s.Target.Balancer.Start() };
    }

    private static IEnumerable<Fault> Databases(FaultOptions options)
    {
        yield return new Fault("database killed (SIGKILL)", Part.Database, From.Healing, Seconds(0), Seconds(3)) { Inject = s => s.Target.Database.Kill(), Heal = s => s.Target.Database.Start() };
        yield return new Fault($"database frozen (SIGSTOP, {options.FreezeDatabase} s)", Part.Database, From.Healing, Seconds(options.FreezeDatabase), Seconds(options.FreezeDatabase))
        {
            Inject = s => Now(s.Target.Database.Freeze),
            Heal = s => Now(s.Target.Database.Thaw),
        };
        yield return new Fault("database out of connections", Part.Database, From.Injection, Seconds(5), Seconds(15))
        {
            Inject = s => Now(() => s.Held = ConnectionHog.Start(s.Target.Database.ConnectionString)),
            Heal = s => s.Held!.DisposeAsync().AsTask(),
        };
        yield return new Fault("database's disk full", Part.Database, From.Healing, Seconds(5), Seconds(10))
        {
            NeedsDisk = true,
            Inject = s => s.Target.Disk!.Fill(),
            Heal = async s =>
            {
                s.Target.Disk!.Free();
                await s.Target.Database.Start(); // it may have ended for want of room for its log
            },
        };
    }

    private static IEnumerable<Fault> Cables(FaultOptions options)
    {
        Fault Cable(string name, Func<Scene, IReadOnlyList<IPAddress>> from, bool incoming = true, bool outgoing = true, int nodes = 1) => new(name, Part.Node, From.Injection, Seconds(Shortest(options)), Seconds(options.LongestHold))
        {
            NeedsNetworks = true,
            Nodes = nodes,
            Inject = async s =>
            {
                foreach (var address in from(s)) await Networks.Cut(s.Number, address, incoming, outgoing);
            },
            Heal = s => Networks.Join(s.Number),
        };
        IReadOnlyList<IPAddress> database = [Networks.Database], balancer = [Networks.Clients, Networks.Balancer];
        yield return Cable("node cut from database", _ => database, nodes: 2);
        yield return Cable("node to database, one way", _ => database, incoming: false, nodes: 2);
        yield return Cable("database to node, one way", _ => database, outgoing: false, nodes: 2);
        yield return Cable("node cut from node", s => [s.OtherAddress], nodes: 2);
        yield return Cable("node to node, one way", s => [s.OtherAddress], incoming: false, nodes: 2);
        yield return Cable("node cut from balancer", _ => balancer, nodes: 2);
        yield return Cable("balancer to node, one way", _ => balancer, outgoing: false, nodes: 2);
        yield return Cable("node's cable pulled", s => [.. database, .. balancer, .. s.Target.Nodes.Where(n => n != s.Node).Select(n => (s with { Other = n }).OtherAddress)], nodes: 2);
        yield return new Fault("all clients half-open (gone without a word)", Part.Clients, From.Injection, Seconds(Shortest(options)), Seconds(options.LongestHold))
        {
            NeedsNetworks = true,
            Inject = async s => s.LostAddress = await s.Target.LoseClients(),
            Heal = s => Networks.RemoveClientAddress(s.LostAddress!),
        };
    }

    private static int Shortest(FaultOptions options) => Math.Min(5, (options.LongestHold + 2) / 3);

    private static TimeSpan Seconds(int n) => TimeSpan.FromSeconds(n);

    private static Task Now(Action action)
    {
        action();
        return Task.CompletedTask;
    }
}
