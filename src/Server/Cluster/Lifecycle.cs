namespace Indaba.Server.Cluster;

/// <summary>What a node is doing, as balancers, operators and other nodes see it.</summary>
internal enum NodeState
{
    /// <summary>Not listening yet.</summary>
    Starting,
    /// <summary>Takes connections.</summary>
    Serving,
    /// <summary>Takes no new connections; those that are there are sent elsewhere bit by bit.</summary>
    Draining,
    /// <summary>Ends.</summary>
    Stopping,
}

/// <summary>The life of this node: one way only, from starting to stopping.</summary>
internal sealed class Lifecycle
{
    private int _state;

    /// <summary>The present state.</summary>
    public NodeState State => (NodeState)Volatile.Read(ref _state);

    /// <summary>Goes on to a later state; an earlier one changes nothing. True when it was a change.</summary>
    public bool Advance(NodeState to)
    {
        while (true)
        {
            var now = Volatile.Read(ref _state);
            if ((int)to <= now) return false;
            if (Interlocked.CompareExchange(ref _state, (int)to, now) == now) return true;
        }
    }
}
