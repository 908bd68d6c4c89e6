using Orleans.Concurrency;
using Orleans.Runtime;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace Indaba.Server.Cluster;

/// <summary>What one node takes from another: batches, one at a time, in order.</summary>
internal interface INodeService : IGrainService
{
    /// <summary>
    /// Takes a batch. Completes when its items are entered into their order of work; their ends follow as answers in
    /// batches of the other direction. A batch that was taken before is dropped.
    /// </summary>
    /// <param name="from">The sending node, this life of it.</param>
    /// <param name="number">1 for the first batch of this link, then one more each time.</param>
    ValueTask TakeAsync(SiloAddress from, long number, [Immutable] byte[] batch);
}

/// <summary>The receiving end of all links of this node.</summary>
[Reentrant]
internal sealed class NodeService(GrainId id, Silo silo, ILoggerFactory logs, IServiceProvider services) : GrainService(id, silo, logs), INodeService
{
    /// <inheritdoc/>
    public ValueTask TakeAsync(SiloAddress from, long number, [Immutable] byte[] batch)
    {
        services.GetRequiredService<Node>().Links.Take(from, number, batch);
        return ValueTask.CompletedTask;
    }
}

/// <summary>Finds the receiving end of another node.</summary>
internal sealed class NodeServiceClient(IServiceProvider services) : GrainServiceClient<INodeService>(services)
{
    /// <summary>The service of one node.</summary>
    public INodeService Of(SiloAddress node) => GetGrainService(node);
}
