using Indaba.Server.Accounts;
using Indaba.Server.Modules;
using Indaba.Server.Routing;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Cluster;

/// <summary>What is done at an account's owner for what another node has sent: the same rules as for what comes from here.</summary>
internal sealed class AccountCalls(Node node)
{
    /// <summary>Deals with one item in its turn; what takes longer than its place in the order goes on behind <paramref name="reply"/>.</summary>
    public ValueTask RunAsync(LinkKind kind, Account account, ReadOnlyMemory<byte> payload, ICallReply reply) => kind switch
    {
        LinkKind.Message => MessageAsync(account, new LinkReader(payload), reply),
        LinkKind.Iq => IqAsync(account, payload, reply),
        LinkKind.Presence => PresenceAsync(account, payload, reply),
        LinkKind.Subscription or LinkKind.Subscribe or LinkKind.ContactRemoved => SubscriptionAsync(kind, account, new LinkReader(payload), reply),
        LinkKind.EndSessions => EndSessionsAsync(account, new LinkReader(payload), reply),
        _ => throw new InvalidDataException($"an item of kind {kind} is for no account"),
    };

    private async ValueTask MessageAsync(Account account, LinkReader reader, ICallReply reply)
    {
        var device = reader.Text();
        var origin = reader.Text();
        var stored = reader.Number() != 0;
        var message = new Message(XmppReader.ReadStored(reader.Bytes(), Ns.Client));
        try
        {
            var plan = StorePlan.Of(message);
            if (!await node.Router.RunAsync(Stage.Delivering, null, account, message, plan).ConfigureAwait(false))
            {
                reply.End(LinkStatus.Done);
                return;
            }
            if (!plan.Store || !stored)
            {
                Router.DeliverLive(null, account, message, plan);
                reply.End(LinkStatus.Done);
                return;
            }
            var letter = Letter.Of(message, message.From!.Value, device, origin);
            switch (node.Delivery.Receive(account, plan, letter, end => reply.End(end switch { AppendEnd.Committed => LinkStatus.Done, AppendEnd.Lost => LinkStatus.NotHere, _ => LinkStatus.Failed })))
            {
                case Submitted.Pending: reply.Accepted(); break;
                case Submitted.Done: reply.End(LinkStatus.Done); break;
                default: reply.End(LinkStatus.NotHere); break;
            }
        }
        catch (StanzaException e)
        {
            reply.End(LinkStatus.Refused, Error(e.Error));
        }
    }

    private async ValueTask IqAsync(Account account, ReadOnlyMemory<byte> payload, ICallReply reply)
    {
        var iq = new Iq(XmppReader.ReadStored(payload, Ns.Client));
        try
        {
            var result = await node.Router.ReceiveIqAsync(account, iq).ConfigureAwait(false);
            reply.End(LinkStatus.Done, result is null ? null : XmppWriter.ToBytes(result, Ns.Client));
        }
        catch (StanzaException e)
        {
            reply.End(LinkStatus.Refused, Error(e.Error));
        }
    }

    private async ValueTask PresenceAsync(Account account, ReadOnlyMemory<byte> payload, ICallReply reply)
    {
        var refused = await node.Presence.ReceiveProbeAsync(account, new Presence(XmppReader.ReadStored(payload, Ns.Client))).ConfigureAwait(false);
        reply.End(LinkStatus.Done, refused ? [1] : null);
    }

    /// <summary>Touches two accounts, each in its own time: it must not hold the account's other items up, or two accounts could wait for each other.</summary>
    private ValueTask SubscriptionAsync(LinkKind kind, Account account, LinkReader reader, ICallReply reply)
    {
        var contact = Jid.Parse(reader.Text());
        var type = (PresenceType)reader.Number();
        var stanza = reader.Bytes();
        reply.Accepted();
        _ = GoOnAsync();
        return ValueTask.CompletedTask;

        async Task GoOnAsync()
        {
            try
            {
                if (kind == LinkKind.ContactRemoved) await node.Presence.Subscriptions.ContactRemovedAsync(account.Jid, contact).ConfigureAwait(false);
                else if (kind == LinkKind.Subscribe) await node.Presence.Subscriptions.OutboundAsync(account, contact, type).ConfigureAwait(false);
                else await node.Presence.Subscriptions.InboundAsync(account.Jid, contact, XmppReader.ReadStored(stanza, Ns.Client), type).ConfigureAwait(false);
                reply.End(LinkStatus.Done);
            }
            catch (StanzaException e)
            {
                reply.End(LinkStatus.Refused, Error(e.Error));
            }
            catch (Exception error)
            {
                node.Log.ItemFailed(account.Jid.ToString(), error);
                reply.End(LinkStatus.Failed);
            }
        }
    }

    private static async ValueTask EndSessionsAsync(Account account, LinkReader reader, ICallReply reply)
    {
        reply.Accepted();
        await Node.EndSessionsHereAsync(account, (SessionsEnd)reader.Number(), null).ConfigureAwait(false);
        reply.End(LinkStatus.Done);
    }

    private static byte[] Error(StanzaError error) => XmppWriter.ToBytes(error.ToElement(), Ns.Client);
}
