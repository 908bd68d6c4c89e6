using Indaba.Server.Accounts;
using Indaba.Server.Modules;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Routing;

/// <summary>Decides on the address of a stanza: RFC 6121 section 8 (and RFC 6120 section 10), nothing else.</summary>
internal sealed class Router(Node node)
{
    // --- messages ---

    /// <summary>
    /// Routes a message from a session. True when it is on its way to the disk: <paramref name="item"/> is completed by the commit.
    /// </summary>
    /// <exception cref="StanzaException">What the sender is told.</exception>
    public async ValueTask<bool> RouteMessageAsync(Session session, InboxItem item, Message message)
    {
        var senderPlan = StorePlan.Of(message);
        if (!await RunAsync(Stage.Sending, session, session.Account, message, senderPlan).ConfigureAwait(false)) return false;
        var to = message.To ?? session.Jid.Bare; // RFC 6121 section 8.1: no 'to' is the own account
        message.To ??= to;
        if (to.Domain != node.Options.Domain) throw new StanzaException(StanzaCondition.RemoteServerNotFound);
        if (to.Local is null) return ToServer(message);
        for (var attempt = 0; ; attempt++)
        {
            var account = await node.Accounts.FindAsync(to.Bare).ConfigureAwait(false);
            if (account is null) return NoAccount(message);
            var plan = StorePlan.Of(message);
            if (!await RunAsync(Stage.Delivering, session, account, message, plan).ConfigureAwait(false)) return false;
            if (!plan.Store || !senderPlan.Store)
            {
                DeliverLive(session, senderPlan, account, message, plan);
                return false;
            }
            var result = node.Delivery.Submit(session, item, message, session.Account, senderPlan, account, plan, error => Reply(session, message.Element, StanzaError.Of(error)));
            if (result != Submitted.Closed) return result == Submitted.Pending && !node.AcksBeforeCommit;
            if (attempt == 5) throw new StanzaException(StanzaCondition.InternalServerError);
        }
    }

    /// <summary>A message to the server itself: there is nobody to read it (RFC 6121 section 8.4 leaves it to the server).</summary>
    private static bool ToServer(Message message) =>
        message.Type is MessageType.Error or MessageType.Headline || message.Element.FirstChild is null ? false : throw new StanzaException(StanzaCondition.ServiceUnavailable);

    /// <summary>RFC 6121 section 8.5.1.</summary>
    private static bool NoAccount(Message message) =>
        message.Type == MessageType.Error ? false : throw new StanzaException(StanzaCondition.ServiceUnavailable);

    /// <summary>
    /// Delivers a message that has meaning only in the moment: to whom it is addressed and who is there (RFC 6121 section
    /// 8.5.2.1.1, 8.5.2.2.1, 8.5.3.1, 8.5.3.2.1), with copies (XEP-0280).
    /// </summary>
    private static void DeliverLive(Session from, StorePlan senderPlan, Account account, Message message, StorePlan plan)
    {
        var to = message.To!.Value;
        var target = to.Resource is null ? null : account.Find(to.Resource);
        if (target is null)
        {
            if (message.Type == MessageType.Groupchat) throw new StanzaException(StanzaCondition.ServiceUnavailable);
            if (message.Type == MessageType.Error || (to.IsFull && message.Type == MessageType.Headline)) return;
        }
        var bytes = XmppWriter.ToBytes(message.Element, Ns.Client);
        var hold = HeldBack.KeyOf(message.Element);
        foreach (var session in account.Sessions)
        {
            if (session == target || (target is null && session.TakesMessages)) session.SendBytes(bytes, counted: true, hold);
            else if (session.Carbons && plan.Copy && session != from) session.SendBytes(Copies.Carbon(session, "received", bytes), counted: true, hold is null ? null : "r" + hold);
        }
        if (!senderPlan.Copy || from.Account == account) return;
        foreach (var session in from.Account.Sessions)
        {
            if (session != from && session.Carbons) session.SendBytes(Copies.Carbon(session, "sent", bytes), counted: true, hold is null ? null : "s " + to);
        }
    }

    // --- iq ---

    /// <summary>Routes an iq from a session.</summary>
    /// <exception cref="StanzaException">What the sender is told; never thrown for a result or error.</exception>
    public async ValueTask RouteIqAsync(Session session, Iq iq)
    {
        if (!iq.IsRequest && session.Acks.OnAnswer(iq.Id)) return;
        if (!await RunAsync(Stage.Sending, session, session.Account, iq, null).ConfigureAwait(false)) return;
        var to = iq.To ?? session.Jid.Bare;
        if (to.Domain != node.Options.Domain)
        {
            if (iq.IsRequest) throw new StanzaException(StanzaCondition.RemoteServerNotFound);
            return;
        }
        if (to == session.Jid.Bare) await AnswerAsync(session, iq, Target.OwnAccount, session.Account).ConfigureAwait(false);
        else if (to.Local is null && to.IsBare) await AnswerAsync(session, iq, Target.Server, session.Account).ConfigureAwait(false);
        else if (to.Local is null) throw Unavailable();
        else await ToAccountAsync(session, iq, to).ConfigureAwait(false);
    }

    private async ValueTask ToAccountAsync(Session session, Iq iq, Jid to)
    {
        var account = await node.Accounts.FindAsync(to.Bare).ConfigureAwait(false) ?? throw Unavailable();
        if (!await RunAsync(Stage.Delivering, session, account, iq, null).ConfigureAwait(false)) return;
        if (to.IsBare)
        {
            await AnswerAsync(session, iq, Target.OtherAccount, account).ConfigureAwait(false);
            return;
        }
        // RFC 6121 section 8.5.3: to the resource if it is there, else the server answers; results and errors are dropped.
        if (account.Find(to.Resource!) is not { } target || !target.Send(iq.Element)) throw Unavailable();
    }

    private async ValueTask AnswerAsync(Session session, Iq iq, Target target, Account account)
    {
        if (!iq.IsRequest) return;
        var handler = node.Modules.FindIq(target, iq.Type, iq.Payload!) ?? throw new StanzaException(StanzaCondition.ServiceUnavailable);
        var result = await handler(new IqContext(node, iq, session, account)).ConfigureAwait(false);
        if (!ReferenceEquals(result, IqContext.Answered)) session.Send(iq.Result(result));
    }

    /// <summary>Nobody is there. A result or error to nobody is dropped: <see cref="Reply"/> answers requests only (RFC 6120 section 8.2.3).</summary>
    private static StanzaException Unavailable() => new(StanzaCondition.ServiceUnavailable);

    // --- shared ---

    /// <summary>Runs the hooks of a stage; false when one has dealt with the stanza.</summary>
    /// <exception cref="StanzaException">A hook rejected it.</exception>
    public async ValueTask<bool> RunAsync(Stage stage, Session? session, Account account, Stanza stanza, StorePlan? plan)
    {
        var hooks = node.Modules.Hooks(stage);
        if (hooks.Count == 0) return true;
        var context = new StageContext(node, stanza, session, account, plan);
        for (var i = 0; i < hooks.Count; i++)
        {
            var outcome = await hooks[i](context).ConfigureAwait(false);
            if (outcome.Kind == OutcomeKind.Rejected) throw new StanzaException(outcome.Error!);
            if (outcome.Kind == OutcomeKind.Handled) return false;
        }
        return true;
    }

    /// <summary>The one place that writes stanza errors. Errors and results are never answered (RFC 6120 section 8.3.1).</summary>
    public static void Reply(Session session, Element stanza, StanzaError error)
    {
        if (stanza["type"] == "error" || (stanza.Name == "iq" && stanza["type"] == "result")) return;
        session.Send(error.ReplyTo(stanza));
    }

    /// <summary>A stanza that a device had not acked when its session ended: a request is answered, the rest had its time.</summary>
    public async ValueTask BounceAsync(Session session, byte[] bytes)
    {
        if (!bytes.AsSpan().StartsWith("<iq"u8)) return;
        var element = XmppReader.ReadStored(bytes, Ns.Client);
        if (element["type"] is not ("get" or "set") || !Jid.TryParse(element["from"], out var from) || from.Domain != node.Options.Domain || from.Local is null) return;
        if (await node.Accounts.FindAsync(from.Bare).ConfigureAwait(false) is { } account && from.Resource is not null && account.Find(from.Resource) is { } sender)
            Reply(sender, element, StanzaError.Of(StanzaCondition.RecipientUnavailable));
    }
}
