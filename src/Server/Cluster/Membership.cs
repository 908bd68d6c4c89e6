using System.Collections.Immutable;
using Orleans.Runtime;

namespace Indaba.Server.Cluster;

/// <summary>Follows Orleans' membership and tells the links who is alive and who is dead.</summary>
internal sealed class Membership(IClusterMembershipService membership, Node node) : BackgroundService
{
    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var snapshot in membership.MembershipUpdates.WithCancellation(stoppingToken).ConfigureAwait(false)) Take(snapshot);
        }
        catch (OperationCanceledException) { /* stopping */ }
        catch (Exception error)
        {
            node.Log.MembershipFailed(error);
        }
    }

    private void Take(ClusterMembershipSnapshot snapshot)
    {
        var self = node.Links.Self;
        var alive = snapshot.Members.Values.Where(m => m.Status is SiloStatus.Active && !m.SiloAddress.Equals(self)).Select(m => m.SiloAddress).ToImmutableArray();
        // A node that is shutting down still answers what it has taken; it is dead when the table says so.
        SiloAddress[] dead = [.. snapshot.Members.Values.Where(m => m.Status is SiloStatus.Dead).Select(m => m.SiloAddress)];
        node.Links.Changed(alive, dead);
    }
}
