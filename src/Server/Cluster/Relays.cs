using System.Collections.Concurrent;
using System.Net;
using Indaba.Server.Streams;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;
using Orleans.Runtime;

namespace Indaba.Server.Cluster;

/// <summary>How a relayed stream ended at its gateway.</summary>
internal enum RelayEnd : byte
{
    /// <summary>The connection broke: the session waits for resumption.</summary>
    Lost = 0,
    /// <summary>The client closed its stream.</summary>
    Closed = 1,
    /// <summary>The client broke the rules of the stream: condition and text follow.</summary>
    Fault = 2,
}

/// <summary>The devices that come in at one node and have their session at another: both ends of them at this node.</summary>
internal sealed class Relays(Node node, NodeLinks links)
{
    /// <summary>Bytes of one direction of one relay that may be under way: a largest stanza always fits beside smaller ones.</summary>
    public const int Window = 128 * 1024;

    private readonly ConcurrentDictionary<long, GatewayRelay> _gateways = new();
    private readonly ConcurrentDictionary<(SiloAddress Gateway, long Id), RelayChannel> _channels = new();
    private long _lastId;

    /// <summary>Devices connected here whose session is elsewhere, and sessions here whose device is connected elsewhere.</summary>
    public (int Out, int In) Count => (_gateways.Count, _channels.Count);

    // --- at the gateway ---

    /// <summary>Hands a stream that is authenticated over to the owner of its account. Null when that node has not taken it.</summary>
    public async Task<GatewayRelay?> OpenAsync(SiloAddress owner, ClientStream stream, Element handover)
    {
        var relay = new GatewayRelay(Interlocked.Increment(ref _lastId), links.To(owner), stream.Channel, this, node);
        _gateways[relay.Id] = relay;
        var item = new OpenItem(relay.Id, stream, handover);
        links.To(owner).Post(item);
        if (await item.Taken.ConfigureAwait(false)) return relay;
        _gateways.TryRemove(relay.Id, out _);
        return null;
    }

    /// <summary>The devices that are connected here and have their session elsewhere.</summary>
    public ICollection<GatewayRelay> Gateways => _gateways.Values;

    internal void Remove(GatewayRelay relay) => _gateways.TryRemove(relay.Id, out _);

    // --- at the owner ---

    internal void Remove(RelayChannel channel) => _channels.TryRemove((channel.Gateway, channel.Id), out _);

    private void Open(SiloAddress gateway, long itemId, ref LinkReader batch)
    {
        var reply = new LinkReply(links, gateway, itemId);
        var id = (long)batch.Number();
        var bare = Jid.Parse(batch.Text());
        var account = (long)batch.Number();
        var agent = batch.Number() == 0 ? null : new UserAgent(batch.Optional(), batch.Optional(), batch.Optional());
        var remote = batch.Optional();
        var (transport, secure) = (batch.Text(), batch.Number() != 0);
        var handover = batch.Bytes();
        if (node.Stopping || node.Accounts.Local(bare) is not { } owner || owner.Id != account)
        {
            reply.End(LinkStatus.NotHere);
            return;
        }
        var channel = new RelayChannel(gateway, id, links.To(gateway), this, IPEndPoint.TryParse(remote ?? "", out var address) ? address : null, transport, secure);
        _channels[(gateway, id)] = channel;
        reply.End(LinkStatus.Done); // before anything of the stream: the gateway knows the relay when data comes
        var stream = new ClientStream(node, channel) { Login = new Login(owner.Row, bare, agent) };
        _ = Task.Run(() => stream.RunRelayedAsync(XmppReader.ReadStored(handover, ""), node.StopToken));
    }

    // --- what comes over links ---

    /// <summary>Takes an item of a relay. Never blocks.</summary>
    public void Take(SiloAddress from, LinkKind kind, long itemId, ref LinkReader batch)
    {
        if (kind == LinkKind.RelayOpen)
        {
            Open(from, itemId, ref batch);
            return;
        }
        var toGateway = batch.Number() != 0;
        var id = (long)batch.Number();
        var payload = batch.Bytes();
        if (toGateway) _gateways.GetValueOrDefault(id)?.Take(kind, payload);
        else _channels.GetValueOrDefault((from, id))?.Take(kind, payload);
    }

    /// <summary>A node is dead: its devices' sessions wait for resumption, and devices whose session it had must come back.</summary>
    public void Lost(SiloAddress dead)
    {
        foreach (var (key, channel) in _channels) if (key.Gateway.Equals(dead)) channel.Abort();
        foreach (var relay in _gateways.Values) if (relay.Owner.Equals(dead)) relay.OwnerLost();
    }

    internal static RawItem Item(LinkKind kind, bool toGateway, long id, Action<LinkWriter> payload) => new(kind, w =>
    {
        w.Number(toGateway ? 1UL : 0UL);
        w.Number((ulong)id);
        var inner = new LinkWriter();
        payload(inner);
        w.Bytes(inner.Take());
    });

    /// <summary>The opening of a relay.</summary>
    private sealed class OpenItem(long relay, ClientStream stream, Element handover) : LinkItem
    {
        private readonly TaskCompletionSource<bool> _taken = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public override LinkKind Kind => LinkKind.RelayOpen;
        public override bool IsAnswered => true;
        public Task<bool> Taken => _taken.Task;

        public override void Write(LinkWriter to)
        {
            var login = stream.Login!;
            to.Number((ulong)relay);
            to.Text(login.Bare.ToString());
            to.Number((ulong)login.Account.Id);
            to.Number(login.Agent is null ? 0UL : 1UL);
            if (login.Agent is { } agent)
            {
                to.Optional(agent.Id);
                to.Optional(agent.Software);
                to.Optional(agent.Device);
            }
            to.Optional(stream.Channel.Remote?.ToString());
            to.Text(stream.Channel.Transport);
            to.Number(stream.Channel.IsSecure ? 1UL : 0UL);
            to.Bytes(XmppWriter.ToBytes(handover, ""));
        }

        public override void Answered(LinkStatus status, ReadOnlyMemory<byte> payload) => _taken.TrySetResult(status == LinkStatus.Done);
        public override void Broken() => _taken.TrySetResult(false);
    }
}
