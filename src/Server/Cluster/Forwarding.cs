using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Cluster;

/// <summary>What this node does for accounts that it does not hold: the same words as for those that it does, sent to their owner.</summary>
internal sealed class Forwarding(Node node, Routes routes)
{
    /// <summary>True while something for the account is on its way by another node: what comes now must go the same way, behind it.</summary>
    public bool IsBusy(Jid bare) => routes.IsBusy(bare);

    /// <summary>Completes when there is room for more: a slow node makes back-pressure.</summary>
    public Task RoomAsync(Jid bare) => routes.RoomAsync(bare);

    /// <summary>Sends a message; the end comes when its copy is on disk, or with what the sender is to be told.</summary>
    /// <param name="letter">The message; made with an origin-id or an id of this node's making.</param>
    /// <param name="stored">False for what has meaning only in the moment.</param>
    /// <param name="ended">Never blocks.</param>
    public void Forward(Letter letter, bool stored, Action<StanzaError?> ended) =>
        routes.Post(new MessageItem(letter.OriginId is null ? letter with { OriginId = Letter.MakeOriginId() } : letter, stored, ended) { To = letter.Message.To!.Value.Bare });

    /// <summary>Sends an iq; returns the answer that the account's owner gives on its behalf, or null when a device answers.</summary>
    /// <exception cref="StanzaException">What the sender is told.</exception>
    public async ValueTask<Element?> ForwardAsync(Iq iq)
    {
        var to = iq.To!.Value;
        var bytes = XmppWriter.ToBytes(iq.Element, Ns.Client);
        var item = new CallItem(LinkKind.Iq, w => w.Raw(bytes), mayRepeat: to.IsBare) { To = to.Bare };
        routes.Post(item);
        var answer = await item.Done.ConfigureAwait(false);
        if (item.NoAccount) throw new StanzaException(StanzaCondition.ServiceUnavailable);
        return answer.Length == 0 ? null : XmppReader.ReadStored(answer, Ns.Client);
    }

    /// <summary>Sends an answer or an error to a resource, if it is there.</summary>
    public void ToResource(Jid to, Element stanza) => routes.Post(new StanzaItem(LinkKind.Iq, XmppWriter.ToBytes(stanza, Ns.Client)) { To = to.Bare });

    /// <summary>Asks the owner of an account to answer a client's probe; true when the asker may not see it.</summary>
    public async ValueTask<bool> ProbeAsync(Presence probe)
    {
        var bytes = XmppWriter.ToBytes(probe.Element, Ns.Client);
        var item = new CallItem(LinkKind.Presence, w => w.Raw(bytes), mayRepeat: true) { To = probe.To!.Value.Bare };
        routes.Post(item);
        return (await item.Done.ConfigureAwait(false)).Length > 0 || item.NoAccount;
    }

    /// <summary>A subscription stanza for a user (RFC 6121 section 3); completes when the user's roster has it.</summary>
    public Task SubscriptionAsync(Jid user, Jid contact, Element stanza, PresenceType type) =>
        CallAsync(LinkKind.Subscription, user, contact, XmppWriter.ToBytes(stanza, Ns.Client), type);

    /// <summary>A subscription stanza on a user's behalf, as if the user's client had sent it.</summary>
    public Task SubscribeAsync(Jid user, Jid contact, PresenceType type) => CallAsync(LinkKind.Subscribe, user, contact, [], type);

    /// <summary>A contact's account is removed (see <see cref="SubscriptionFlow.ContactRemovedAsync(Jid, Jid)"/>).</summary>
    public Task ContactRemovedAsync(Jid user, Jid contact) => CallAsync(LinkKind.ContactRemoved, user, contact, [], PresenceType.Unsubscribed);

    private Task<ReadOnlyMemory<byte>> CallAsync(LinkKind kind, Jid user, Jid contact, byte[] stanza, PresenceType type)
    {
        var item = new CallItem(kind, w =>
        {
            w.Text(contact.ToString());
            w.Number((ulong)type);
            w.Bytes(stanza);
        }, mayRepeat: true) { To = user };
        routes.Post(item);
        return item.Done;
    }

    /// <summary>Ends the sessions of an account wherever it is.</summary>
    public Task EndSessionsAsync(Jid bare, SessionsEnd why)
    {
        var item = new CallItem(LinkKind.EndSessions, w => w.Number((ulong)why), mayRepeat: true) { To = bare };
        routes.Post(item);
        return item.Done;
    }

    /// <summary>A stanza for one session of another node, named by its full JID.</summary>
    public void ToSession(Jid to, byte[] stanza)
    {
        if (node.Links.IsAlone) return;
        node.Links.ToAll(new RawItem(LinkKind.ToSession, w =>
        {
            w.Text(to.ToString());
            w.Bytes(stanza);
        }));
    }
}
