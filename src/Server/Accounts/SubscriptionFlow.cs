using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>
/// How subscription stanzas travel (RFC 6121 section 3): the sender's roster first, then the contact's, each change on
/// disk before anybody is told. The two are changed one after the other, as if each had its own server, so no two gates
/// are ever held at once; what a crash leaves between them is mended by the next presence (section 4.3.2 rule 1) or request.
/// </summary>
internal sealed class SubscriptionFlow(Node node, PresenceService service)
{
    /// <summary>Bytes of a request that is kept for the user's answer (section 3.1.3 warns of what strangers could store).</summary>
    public const int MaxRequestBytes = 8_192;
    /// <summary>Requests kept for one user; more are shown to who is there, and then forgotten.</summary>
    public const int MaxRequests = 100;

    /// <summary>A stanza that a client sent.</summary>
    /// <exception cref="StanzaException">remote-server-not-found: there are no other servers; resource-constraint: the roster is full; not-acceptable: too large.</exception>
    public ValueTask FromClientAsync(Session session, Presence presence)
    {
        var contact = presence.To!.Value.Bare;
        presence.To = contact; // section 3.1.2 rule 1
        presence.From = session.Jid.Bare; // section 3: never the full JID
        if (contact == session.Jid.Bare) return ValueTask.CompletedTask; // one is subscribed to oneself (section 4.2.2)
        if (presence.Type == PresenceType.Subscribe && XmppWriter.ToBytes(presence.Element, Ns.Client).Length > MaxRequestBytes)
            throw new StanzaException(StanzaCondition.NotAcceptable, $"A request is {MaxRequestBytes} bytes long at most");
        return OutboundAsync(session.Account, contact, presence.Type, presence.Element);
    }

    /// <summary>A contact was taken out of the roster: both subscriptions end (section 2.5.2). A request that waits is denied with it.</summary>
    public async ValueTask RemovedAsync(Account account, RosterContact was)
    {
        if (was.HasTo || was.Ask) await RouteAsync(account, was.Jid, Make(account.Jid, was.Jid, PresenceType.Unsubscribe), PresenceType.Unsubscribe).ConfigureAwait(false);
        if (was.HasFrom) service.Hide(account, was.Jid);
        if (was.HasFrom || was.PendingIn is not null)
            await RouteAsync(account, was.Jid, Make(account.Jid, was.Jid, PresenceType.Unsubscribed), PresenceType.Unsubscribed).ConfigureAwait(false);
    }

    /// <summary>
    /// A contact's account is removed: the user's roster keeps its name and groups and nothing else, so that whoever takes
    /// the address later inherits neither a subscription nor an approval.
    /// </summary>
    public async ValueTask ContactRemovedAsync(Jid user, Jid contact)
    {
        var place = await node.Accounts.LocateAsync(user).ConfigureAwait(false);
        if (place.Owner is not null) await node.Forwarding.ContactRemovedAsync(user, contact).ConfigureAwait(false);
        else if (place.Account is { } account) await ContactRemovedAsync(account, user, contact).ConfigureAwait(false);
    }

    private async ValueTask ContactRemovedAsync(Account account, Jid user, Jid contact)
    {
        await InboundAsync(user, contact, Make(contact, user, PresenceType.Unsubscribe), PresenceType.Unsubscribe).ConfigureAwait(false);
        await InboundAsync(user, contact, Make(contact, user, PresenceType.Unsubscribed), PresenceType.Unsubscribed).ConfigureAwait(false);
        var roster = await service.Rosters.OfAsync(account).ConfigureAwait(false);
        using (await roster.EnterAsync().ConfigureAwait(false))
        {
            if (roster.Find(contact) is { Approved: true } item) await ChangeAsync(account, roster, contact, item, item.State with { Approved = false }, null, null).ConfigureAwait(false);
        }
        ForgetClosed(account);
    }

    /// <summary>Sends a stanza on the user's behalf, as <see cref="FromClientAsync"/>.</summary>
    public ValueTask OutboundAsync(Account account, Jid contact, PresenceType type) => OutboundAsync(account, contact, type, Make(account.Jid, contact, type));

    /// <summary>As above for a user whose account may be held by another node.</summary>
    /// <exception cref="StanzaException">As <see cref="FromClientAsync"/>.</exception>
    public async ValueTask OutboundAsync(Jid user, Jid contact, PresenceType type)
    {
        var place = await node.Accounts.LocateAsync(user).ConfigureAwait(false);
        if (place.Account is { } account) await OutboundAsync(account, contact, type).ConfigureAwait(false);
        else if (place.Exists) await node.Forwarding.SubscribeAsync(user, contact, type).ConfigureAwait(false);
    }

    private async ValueTask OutboundAsync(Account account, Jid contact, PresenceType type, Element stanza)
    {
        var isHere = contact.Domain == node.Options.Domain && contact.Local is not null;
        if (!isHere && type == PresenceType.Subscribe) throw Elsewhere(contact);
        var roster = await service.Rosters.OfAsync(account).ConfigureAwait(false);
        bool route, hides;
        using (await roster.EnterAsync().ConfigureAwait(false))
        {
            var old = roster.Find(contact);
            var before = old?.State ?? default;
            var step = Subscriptions.Outbound(type, before);
            (route, hides) = (step.Route, before.HasFrom && !step.State.HasFrom);
            if (step.State != before) await ChangeAsync(account, roster, contact, old, step.State, null, null).ConfigureAwait(false);
        }
        if (!route) return;
        if (!isHere) throw Elsewhere(contact);
        if (hides) service.Hide(account, contact); // section 3.2.2: before the contact knows why
        await RouteAsync(account, contact, stanza, type).ConfigureAwait(false);
        if (type == PresenceType.Subscribed) service.Show(account, contact); // section 3.1.5
    }

    private StanzaException Elsewhere(Jid contact) =>
        new(contact.Domain == node.Options.Domain ? StanzaCondition.ServiceUnavailable : StanzaCondition.RemoteServerNotFound);

    /// <summary>Hands a stanza to the contact's account. A contact that does not exist, or that either has blocked, hears nothing (section 8.5.1, XEP-0191 section 3.3).</summary>
    private async ValueTask RouteAsync(Account from, Jid to, Element stanza, PresenceType type)
    {
        if (to.Domain != node.Options.Domain || to.Local is null) return;
        if ((await service.Blocks.OfAsync(from).ConfigureAwait(false)).Matches(to)) return;
        await InboundAsync(to, from.Jid, stanza, type).ConfigureAwait(false);
    }

    /// <summary>A stanza has come for a user (appendix A.3).</summary>
    public async ValueTask InboundAsync(Jid user, Jid contact, Element stanza, PresenceType type)
    {
        for (var attempt = 0; attempt < 5; attempt++)
        {
            var place = await node.Accounts.LocateAsync(user).ConfigureAwait(false);
            if (place.Owner is not null)
            {
                await node.Forwarding.SubscriptionAsync(user, contact, stanza, type).ConfigureAwait(false);
                return;
            }
            var account = place.Account;
            if (account is null || (await service.Blocks.OfAsync(account).ConfigureAwait(false)).Matches(contact)) return;
            var roster = await service.Rosters.OfAsync(account).ConfigureAwait(false);
            InboundStep step;
            bool hides;
            using (await roster.EnterAsync().ConfigureAwait(false))
            {
                if (account.Closed) continue; // its state is another object now
                var old = roster.Find(contact);
                var before = old?.State ?? default;
                step = Subscriptions.Inbound(type, before);
                hides = before.HasFrom && !step.State.HasFrom;
                var bytes = step.Deliver || step.State != before ? XmppWriter.ToBytes(stanza, Ns.Client) : [];
                void Deliver() => Send(account, bytes, isRequest: type == PresenceType.Subscribe);
                if (step.State != before && !IsTooMany(roster, type, step)) await ChangeAsync(account, roster, contact, old, step.State, bytes, step.Deliver ? Deliver : null).ConfigureAwait(false);
                else if (step.Deliver) Deliver();
            }
            ForgetClosed(account);
            if (hides) service.Hide(account, contact); // section 3.3.3
            if (step.Reply is not { } reply) return;
            await RouteAsync(account, contact, Make(account.Jid, contact, reply), reply).ConfigureAwait(false);
            if (reply == PresenceType.Subscribed) service.Show(account, contact);
            return;
        }
    }

    /// <summary>Strangers cannot fill the database with requests.</summary>
    private static bool IsTooMany(Roster roster, PresenceType type, InboundStep step) =>
        type == PresenceType.Subscribe && step.State.PendingIn && roster.Contacts.Length >= MaxRequests && roster.Contacts.Count(c => c.PendingIn is not null) >= MaxRequests;

    /// <summary>Commits a new state, tells it to the user's clients, and forgets what nobody needs. Inside the gate.</summary>
    private async ValueTask ChangeAsync(Account account, Roster roster, Jid contact, RosterContact? old, SubscriptionState state, byte[]? request, Action? beforePush)
    {
        var next = (old ?? new RosterContact(contact, null, default, Ask: false, null, Approved: false, [])).In(state, request);
        if (next is { IsListed: false, PendingIn: null })
        {
            if (old is not null) await service.Rosters.DeleteAsync(account, roster, old, beforePush).ConfigureAwait(false);
            else beforePush?.Invoke();
            return;
        }
        if (next.IsListed && old is not { IsListed: true }) service.Rosters.CheckRoom(roster);
        await service.Rosters.SaveAsync(account, roster, next, beforePush).ConfigureAwait(false);
    }

    /// <summary>The account was let go of while its roster changed: whoever holds it now reads it again.</summary>
    private void ForgetClosed(Account account)
    {
        if (account.Closed && node.Accounts.Local(account.Jid) is { } other && other != account) service.Rosters.Forget(other);
    }

    /// <summary>
    /// Requests go to available resources (section 3.1.3), everything else to those that asked for the roster (sections
    /// 3.1.6, 3.2.3, 3.3.3) and to those that are available, since a client that shows no roster may still have asked.
    /// </summary>
    private void Send(Account account, byte[] bytes, bool isRequest)
    {
        foreach (var session in account.Sessions)
        {
            if (service.StateOf(session) is { } state && (state.Available is not null || (state.WantsRoster && !isRequest))) session.SendBytes(bytes, counted: true);
        }
    }

    private static Element Make(Jid from, Jid to, PresenceType type) => new Element("presence", Ns.Client)
        .With("from", from.ToString()).With("to", to.ToString()).With("type", Kebab.Of(type)).With("id", Ids.Short());
}
