using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Orleans.Runtime;

namespace Indaba.Server.Cluster;

/// <summary>
/// What other nodes send to this one. Items for an account are dealt with one after another, in the order of the link;
/// those of different accounts do not wait for each other.
/// </summary>
internal sealed class Inbound
{
    private readonly Node _node;
    private readonly NodeLinks _links;
    private readonly AccountCalls _calls;

    public Inbound(Node node, NodeLinks links)
    {
        (_node, _links) = (node, links);
        _calls = new AccountCalls(node);
    }

    /// <summary>Takes the next item of a batch. Never blocks.</summary>
    /// <exception cref="InvalidDataException">The batch cannot be read any further.</exception>
    public void Take(SiloAddress from, ref LinkReader batch)
    {
        var kind = (LinkKind)batch.Number();
        var id = (long)batch.Number();
        switch (kind)
        {
            case LinkKind.Answer:
                _links.To(from).Answer((long)batch.Number(), (LinkStatus)batch.Number(), batch.Bytes());
                return;
            case LinkKind.ToSession:
                ToSession(batch.Text(), batch.Bytes());
                return;
            case LinkKind.Fanout:
                _node.Presence.Remote.Take(from.ToString(), PresenceFan.Read(ref batch));
                return;
            case LinkKind.RelayOpen or LinkKind.RelayData or LinkKind.RelayCredit or LinkKind.RelayEnd:
                _links.Relays.Take(from, kind, id, ref batch);
                return;
            case LinkKind.Ask:
                _ = AskedAsync(from, id, batch.Text(), batch.Bytes());
                return;
            default:
                var to = Jid.Parse(batch.Text());
                var (way, place) = ((long)batch.Number(), (long)batch.Number());
                var reply = new LinkReply(_links, from, id);
                if (_node.Accounts.Local(to) is { } account && account.Feeds.Take(from, way, place)) TakeFor(kind, account, batch.Bytes(), reply);
                else
                {
                    batch.Bytes();
                    reply.End(LinkStatus.NotHere);
                }
                return;
        }
    }

    private void TakeFor(LinkKind kind, Account account, ReadOnlyMemory<byte> payload, LinkReply reply) =>
        account.Turns.Take(() => RunAsync(kind, account, payload, reply));

    private async ValueTask RunAsync(LinkKind kind, Account account, ReadOnlyMemory<byte> payload, ICallReply reply)
    {
        try
        {
            if (account.Closed) reply.End(LinkStatus.NotHere);
            else await _calls.RunAsync(kind, account, payload, reply).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            _node.Log.ItemFailed(account.Jid.ToString(), error);
            reply.End(LinkStatus.Failed);
        }
    }

    /// <summary>The account that an item was to be sent to is at this node now. False when it is not here any more: nothing was done.</summary>
    public async Task<bool> TakeHereAsync(Account account, RoutedItem item)
    {
        var reply = new HereReply(_links.Routes, item);
        account.Turns.Take(() => RunAsync(item.Kind, account, item.Payload(), reply));
        return await reply.Taken.ConfigureAwait(false);
    }

    private void ToSession(string to, ReadOnlyMemory<byte> stanza)
    {
        if (!Jid.TryParse(to, out var jid) || jid.Resource is null) return;
        _node.Accounts.Local(jid.Bare)?.Find(jid.Resource)?.SendBytes(stanza.ToArray(), counted: true);
    }

    private async Task AskedAsync(SiloAddress from, long id, string question, ReadOnlyMemory<byte> payload)
    {
        var reply = new LinkReply(_links, from, id);
        try
        {
            var answer = _node.Questions.TryGetValue(question, out var handler) ? await handler(payload).ConfigureAwait(false) : null;
            reply.End(answer is null ? LinkStatus.Failed : LinkStatus.Done, answer);
        }
        catch (Exception error)
        {
            _node.Log.ItemFailed(from.ToString(), error);
            reply.End(LinkStatus.Failed);
        }
    }

    /// <summary>An account that had a turn for an item on this node itself.</summary>
    private sealed class HereReply(Routes routes, RoutedItem item) : ICallReply
    {
        private readonly TaskCompletionSource<bool> _taken = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _ended;

        /// <summary>True once the item has its place in the account's order (or has ended), false when the account is not here.</summary>
        public Task<bool> Taken => _taken.Task;

        public void Accepted() => _taken.TrySetResult(true);

        public void End(LinkStatus status, byte[]? payload = null)
        {
            if (Interlocked.Exchange(ref _ended, 1) != 0) return;
            if (status == LinkStatus.NotHere)
            {
                if (!_taken.TrySetResult(false)) routes.Post(item); // lost after it had its place: it goes to whoever has claimed the account
                return;
            }
            item.Ended(status, payload);
            _taken.TrySetResult(true);
        }
    }
}

/// <summary>How a handler tells the end of what was asked of an account; once.</summary>
internal interface ICallReply
{
    /// <summary>The item has its place in the account's order; its end comes later.</summary>
    void Accepted();
    void End(LinkStatus status, byte[]? payload = null);
}

/// <summary>An answer over the link of the other direction.</summary>
internal sealed class LinkReply(NodeLinks links, SiloAddress to, long id) : ICallReply
{
    private int _ended;

    public void Accepted() { }

    public void End(LinkStatus status, byte[]? payload = null)
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0) return;
        links.To(to).Post(new RawItem(LinkKind.Answer, w =>
        {
            w.Number((ulong)id);
            w.Number((ulong)status);
            w.Bytes(payload);
        }));
    }
}
