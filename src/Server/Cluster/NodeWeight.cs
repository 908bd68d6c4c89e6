namespace Indaba.Server.Cluster;

/// <summary>What a node's load looks like at one moment.</summary>
/// <param name="Sessions">Sessions that it has.</param>
/// <param name="Capacity">Sessions that it can have.</param>
/// <param name="Cpu">The share of this machine's processors that the process has used of late, 0 to 1.</param>
/// <param name="CommitWait">How long the oldest append waits for its commit.</param>
internal readonly record struct NodeLoad(int Sessions, int Capacity, double Cpu, TimeSpan CommitWait);

/// <summary>Says of a load how much of new connections the node should get.</summary>
internal static class NodeWeight
{
    /// <summary>A commit takes a few milliseconds; up to here the database keeps up.</summary>
    private static readonly TimeSpan GoodCommit = TimeSpan.FromMilliseconds(50);
    /// <summary>From here on each message waits so long that anybody else serves better.</summary>
    private static readonly TimeSpan BadCommit = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Percent of the server's weight in the balancer, 1 to 100. What is scarcest decides: a node with free memory and no
    /// processor left is full. Never 0, which HAProxy takes for "drain": if all nodes are overloaded, somebody must serve.
    /// </summary>
    public static int Percent(NodeLoad load)
    {
        var memory = 1 - load.Sessions / (double)Math.Max(1, load.Capacity);
        var processor = 1 - load.Cpu;
        var database = 1 - (load.CommitWait - GoodCommit) / (BadCommit - GoodCommit);
        return (int)Math.Clamp(Math.Round(100 * Math.Min(memory, Math.Min(processor, database))), 1, 100);
    }
}
