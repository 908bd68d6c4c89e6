using System.Text;
using Microsoft.AspNetCore.Connections;

namespace Indaba.Server.Cluster;

/// <summary>
/// Answers HAProxy's agent-check (configuration manual, section 5.2): one line of words for each connection, then it is
/// closed. <c>ready</c> and <c>drain</c> are the administrative state, <c>up</c> and <c>down</c> the operating state. HAProxy
/// keeps what an agent does not mention and only the agent takes back what it has said, so each answer speaks of both.
/// </summary>
internal sealed class AgentCheck(Node node, LoadGauge gauge) : ConnectionHandler
{
    /// <inheritdoc/>
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        try
        {
            // A line is less than the socket takes at once: nobody can make this wait by not reading.
            await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes(Answer() + "\n")).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or InvalidOperationException) { /* whoever asked is gone */ }
    }

    /// <summary>The line for the present state.</summary>
    public string Answer() => Answer(node.Lifecycle.State, gauge.Fault, NodeWeight.Percent(gauge.Load));

    /// <summary>
    /// A node that drains or stops is still up: <c>down</c> would let the balancer cut the sessions that it is just ending in
    /// order. The port closes once they have ended.
    /// </summary>
    public static string Answer(NodeState state, string? fault, int percent) => state switch
    {
        NodeState.Starting => "ready down #starting",
        NodeState.Serving => fault is null ? $"ready up {percent}%" : $"ready down #{fault}",
        _ => fault is null ? $"drain up {percent}%" : $"drain down #{fault}",
    };
}
