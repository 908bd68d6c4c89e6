using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using Orleans.Runtime;

namespace Indaba.Server.Cluster;

/// <summary>
/// The links of this node to all others, and what comes in over theirs. One node by itself has none, and nothing here
/// costs it anything.
/// </summary>
internal sealed class NodeLinks
{
    private readonly ConcurrentDictionary<SiloAddress, NodeLink> _links = new();
    private readonly ConcurrentDictionary<SiloAddress, Incoming> _incoming = new();
    private readonly ConcurrentDictionary<SiloAddress, bool> _dead = new();
    private readonly Lock _changing = new();
    private readonly Func<NodeServiceClient> _services;
    private readonly Node _node;
    private ImmutableArray<SiloAddress> _others = [];

    public NodeLinks(Node node, Func<NodeServiceClient> services, Func<SiloAddress> self)
    {
        (_node, _services, SelfOf) = (node, services, self);
        Inbound = new Inbound(node, this);
        Routes = new Routes(node, this);
        Relays = new Relays(node, this);
    }

    private Func<SiloAddress> SelfOf { get; }

    /// <summary>This node, this life of it.</summary>
    public SiloAddress Self => field ??= SelfOf();

    /// <summary>What others send here.</summary>
    public Inbound Inbound { get; }
    /// <summary>The ways to accounts of other nodes.</summary>
    public Routes Routes { get; }
    /// <summary>Devices that come in at one node and have their session at another.</summary>
    public Relays Relays { get; }

    /// <summary>The other nodes that are alive.</summary>
    public ImmutableArray<SiloAddress> Others => _others;

    /// <summary>True when there is no other node.</summary>
    public bool IsAlone => _others.IsEmpty;

    /// <summary>Open items and waiting bytes over all links, for the metrics.</summary>
    public (int Open, long Bytes, long Batches) Load => (_links.Values.Sum(l => l.Open), _links.Values.Sum(l => (long)l.Waiting), _links.Values.Sum(l => l.Batches));

    /// <summary>Puts what the links do on the meter.</summary>
    public void Observe(Meter meter)
    {
        meter.CreateObservableUpDownCounter("indaba.cluster.nodes", () => _others.Length + 1, "{node}", "Nodes that are alive, as this one sees it");
        meter.CreateObservableUpDownCounter("indaba.links.open", () => Load.Open, "{item}", "Items sent to other nodes and not answered yet");
        meter.CreateObservableUpDownCounter("indaba.links.waiting", () => Load.Bytes, "By", "Bytes that wait to be sent to other nodes");
        meter.CreateObservableCounter("indaba.links.batches", () => Load.Batches, "{batch}", "Batches sent to other nodes");
        meter.CreateObservableUpDownCounter("indaba.routes", () => Routes.Count, "{account}", "Accounts of other nodes to which a way is known");
        meter.CreateObservableUpDownCounter("indaba.routes.moving", () => Routes.Moving, "{account}", "Of those, accounts whose new owner is looked for");
        meter.CreateObservableUpDownCounter("indaba.relays", () => new[] { Relay(Relays.Count.Out, "out"), Relay(Relays.Count.In, "in") }, "{device}",
            "Devices connected here with their session at another node (out), and the reverse (in)");
    }

    private static Measurement<int> Relay(int count, string direction) => new(count, new KeyValuePair<string, object?>("direction", direction));

    /// <summary>The link to a node. One that is dead breaks whatever is posted.</summary>
    public NodeLink To(SiloAddress node)
    {
        if (_links.TryGetValue(node, out var known)) return known;
        var link = _links.GetOrAdd(node, n => new NodeLink(n, Self, _services().Of(n), _node.Log, _node.Time));
        if (_dead.ContainsKey(node)) link.Break();
        return link;
    }

    /// <summary>Posts to every other node.</summary>
    public void ToAll(LinkItem item)
    {
        foreach (var node in _others) To(node).Post(item);
    }

    /// <summary>
    /// Asks every other node something by name (<see cref="Node.Questions"/>); who does not answer in time is left out.
    /// </summary>
    public async Task<IReadOnlyList<ReadOnlyMemory<byte>>> AskAllAsync(string question, byte[] payload, TimeSpan limit)
    {
        AskItem[] items = [.. _others.Select(_ => new AskItem(question, payload))];
        foreach (var (item, other) in items.Zip(_others)) To(other).Post(item);
        await Task.WhenAll(items.Select(i => i.Done)).WaitAsync(limit, _node.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return [.. items.Where(i => i.Done.IsCompletedSuccessfully).Select(i => i.Answer).OfType<ReadOnlyMemory<byte>>()];
    }

    /// <summary>The membership has changed: these are alive now, those are dead for good.</summary>
    public void Changed(ImmutableArray<SiloAddress> alive, IReadOnlyCollection<SiloAddress> dead)
    {
        SiloAddress[] joined, gone;
        lock (_changing)
        {
            joined = [.. alive.Except(_others)];
            gone = [.. dead.Where(d => !_dead.ContainsKey(d) && (_others.Contains(d) || _links.ContainsKey(d) || _incoming.ContainsKey(d)))];
            foreach (var node in gone) _dead[node] = true;
            _others = alive;
        }
        foreach (var node in joined) _node.Log.NodeJoined(node.ToString());
        foreach (var node in gone) Bury(node);
    }

    /// <summary>All that hung on a node that is dead.</summary>
    private void Bury(SiloAddress node)
    {
        _node.Log.NodeGone(node.ToString());
        try
        {
            Routes.Forget(node);
            if (_links.TryGetValue(node, out var link)) link.Break();
            Relays.Lost(node);
            _node.Presence.Remote.Lost(node.ToString());
            _incoming.TryRemove(node, out _);
        }
        catch (Exception error)
        {
            _node.Log.AftermathFailed(node.ToString(), error);
        }
    }

    /// <summary>A batch has come. Entered in order; one that came before is dropped.</summary>
    public void Take(SiloAddress from, long number, byte[] batch)
    {
        var incoming = _incoming.GetOrAdd(from, static _ => new Incoming());
        lock (incoming)
        {
            if (number <= incoming.Last) return;
            if (number != incoming.Last + 1) throw new InvalidOperationException($"batch {number} of {from} came after {incoming.Last}");
            incoming.Last = number;
            Read(from, batch);
        }
    }

    private void Read(SiloAddress from, byte[] batch)
    {
        var reader = new LinkReader(batch);
        try
        {
            while (!reader.AtEnd) Inbound.Take(from, ref reader);
        }
        catch (InvalidDataException error)
        {
            _node.Log.BatchUnreadable(from.ToString(), error);
        }
    }

    /// <summary>A question to a node.</summary>
    private sealed class AskItem(string question, byte[] payload) : LinkItem
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public override LinkKind Kind => LinkKind.Ask;
        public override bool IsAnswered => true;
        public Task Done => _done.Task;
        public ReadOnlyMemory<byte>? Answer { get; private set; }

        public override void Write(LinkWriter to)
        {
            to.Text(question);
            to.Bytes(payload);
        }

        public override void Answered(LinkStatus status, ReadOnlyMemory<byte> answer)
        {
            if (status == LinkStatus.Done) Answer = answer;
            _done.TrySetResult();
        }

        public override void Broken() => _done.TrySetResult();
    }

    /// <summary>How far a node's batches have come.</summary>
    private sealed class Incoming
    {
        public long Last { get; set; }
    }
}
