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
        Outgoing? outgoing = null;
        for (var attempt = 0; ; attempt++)
        {
            var bare = to.Bare;
            var place = await node.Accounts.LocateAsync(bare).ConfigureAwait(false);
            if (!place.Exists) return NoAccount(message);
            if (place.Account is not { } account || node.Forwarding.IsBusy(bare)) return await ForwardAsync(session, item, message, senderPlan, outgoing).ConfigureAwait(false);
            var plan = StorePlan.Of(message);
            if (outgoing is null && !await RunAsync(Stage.Delivering, session, account, message, plan).ConfigureAwait(false)) return false;
            if (!plan.Store || !senderPlan.Store)
            {
                DeliverLive(session, account, message, plan);
                if (account != session.Account) CopyLive(session, senderPlan, message);
                return false;
            }
            outgoing ??= Begin(session, item, message, senderPlan, Letter.OriginIdOf(message), keep: account != session.Account);
            if (Receive(outgoing, account, plan)) return !node.AcksBeforeCommit;
            if (attempt == 5) throw new StanzaException(StanzaCondition.InternalServerError);
        }
    }

    /// <summary>A message that is on its way to the logs.</summary>
    private sealed record Outgoing(Letter Letter, Dispatch Dispatch);

    /// <summary>
    /// Puts the sender's own copy on its way (a message to oneself is one entry). It comes first: the recipient's receipt can
    /// be quicker than its commit, and is about an entry that has its position by then.
    /// </summary>
    private Outgoing Begin(Session session, InboxItem item, Message message, StorePlan plan, string? originId, bool keep)
    {
        var outgoing = new Outgoing(Letter.Of(message, session.Jid, session.Device.Key, originId), new Dispatch(session, item, message.Element));
        if (!keep) return outgoing;
        outgoing.Dispatch.Begin();
        // Closed: the session is ending, and what is not acked the client sends again.
        if (node.Delivery.Send(session.Account, plan, outgoing.Letter, outgoing.Dispatch.EndOwn) == Submitted.Done) outgoing.Dispatch.End();
        return outgoing;
    }

    /// <summary>Puts the recipient's copy on its way to the disk; false when its account has closed meanwhile.</summary>
    private bool Receive(Outgoing outgoing, Account account, StorePlan plan)
    {
        var (letter, dispatch) = outgoing;
        dispatch.Begin();
        var received = node.Delivery.Receive(account, plan, letter, end => EndReceived(dispatch, letter, end));
        if (received != Submitted.Pending) dispatch.End();
        if (received == Submitted.Closed) return false;
        dispatch.End();
        return true;
    }

    private void EndReceived(Dispatch dispatch, Letter letter, AppendEnd end)
    {
        if (end == AppendEnd.Lost) node.Forwarding.Forward(letter, stored: true, dispatch.End); // to whoever has claimed the account
        else dispatch.End(end == AppendEnd.Failed ? StanzaError.Of(StanzaCondition.ResourceConstraint) : null);
    }

    /// <summary>The recipient's account is at another node, or on its way between nodes: what it is sent keeps its order there.</summary>
    private async ValueTask<bool> ForwardAsync(Session session, InboxItem item, Message message, StorePlan senderPlan, Outgoing? outgoing)
    {
        await node.Forwarding.RoomAsync(message.To!.Value.Bare).ConfigureAwait(false);
        var originId = Letter.OriginIdOf(message) ?? Letter.MakeOriginId();
        if (!senderPlan.Store)
        {
            node.Forwarding.Forward(Letter.Of(message, session.Jid, session.Device.Key, originId), stored: false, error =>
            {
                if (error is not null) Reply(session, message.Element, error);
            });
            CopyLive(session, senderPlan, message);
            return false;
        }
        var (letter, dispatch) = outgoing ?? Begin(session, item, message, senderPlan, originId, keep: message.To!.Value.Bare != session.Account.Jid);
        dispatch.Begin();
        node.Forwarding.Forward(letter, stored: true, dispatch.End);
        dispatch.End();
        return !node.AcksBeforeCommit;
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
    public static void DeliverLive(Session? from, Account account, Message message, StorePlan plan)
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
    }

    /// <summary>The same for the sender's other devices.</summary>
    private static void CopyLive(Session from, StorePlan plan, Message message)
    {
        if (!plan.Copy || from.Account.Sessions.Length < 2) return;
        var bytes = XmppWriter.ToBytes(message.Element, Ns.Client);
        var hold = HeldBack.KeyOf(message.Element);
        foreach (var session in from.Account.Sessions)
        {
            if (session != from && session.Carbons) session.SendBytes(Copies.Carbon(session, "sent", bytes), counted: true, hold is null ? null : "s " + message.To);
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
        var place = await node.Accounts.LocateAsync(to.Bare).ConfigureAwait(false);
        if (!place.Exists) throw Unavailable();
        var result = place.Account is { } account && !node.Forwarding.IsBusy(to.Bare)
            ? await ReceiveIqAsync(account, iq).ConfigureAwait(false)
            : await node.Forwarding.ForwardAsync(iq).ConfigureAwait(false);
        if (result is not null) session.Send(result);
    }

    /// <summary>An iq has come for an account or one of its resources; returns the server's own answer, if there is one to give.</summary>
    /// <exception cref="StanzaException">What the sender is told.</exception>
    public async ValueTask<Element?> ReceiveIqAsync(Account account, Iq iq)
    {
        if (!await RunAsync(Stage.Delivering, null, account, iq, null).ConfigureAwait(false)) return null;
        var to = iq.To!.Value;
        if (to.IsBare)
        {
            if (!iq.IsRequest) return null;
            var handler = node.Modules.FindIq(Target.OtherAccount, iq.Type, iq.Payload!) ?? throw Unavailable();
            return iq.Result(await handler(new IqContext(node, iq, null!, account)).ConfigureAwait(false));
        }
        // RFC 6121 section 8.5.3: to the resource if it is there, else the server answers; results and errors are dropped.
        if (account.Find(to.Resource!) is not { } target || !target.Send(iq.Element)) throw Unavailable();
        return null;
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
    public void Bounce(byte[] bytes)
    {
        if (!bytes.AsSpan().StartsWith("<iq"u8)) return;
        var element = XmppReader.ReadStored(bytes, Ns.Client);
        if (element["type"] is not ("get" or "set") || !Jid.TryParse(element["from"], out var from) || from.Domain != node.Options.Domain || from.Local is null) return;
        if (from.Resource is null) return;
        var error = StanzaError.Of(StanzaCondition.RecipientUnavailable).ReplyTo(element);
        if (node.Accounts.Local(from.Bare) is { } account) account.Find(from.Resource)?.Send(error);
        else node.Forwarding.ToResource(from, error);
    }
}
