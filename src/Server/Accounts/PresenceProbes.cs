using Indaba.Server.Modules;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>What a session learns of others: at its first presence by itself, later by a client's own probe (RFC 6121 section 4.3).</summary>
internal sealed class PresenceProbes(Node node, PresenceService service, SubscriptionFlow subscriptions)
{
    /// <summary>
    /// All that a newly available session has to know: the own other resources, the contacts who are there, the requests
    /// that wait. Contacts who are away are not told of (section 4.3.2 rule 3 leaves it free): nothing is what a client assumes.
    /// </summary>
    public async ValueTask CatchUpAsync(Session session, Roster roster)
    {
        var account = session.Account;
        ShowAll(account, session);
        foreach (var contact in roster.Contacts)
        {
            if (contact.Jid.Domain != node.Options.Domain) continue;
            if (contact.HasTo) await ProbeAsync(session, contact.Jid).ConfigureAwait(false);
            if (contact.PendingIn is { } request && !service.Blocks.Loaded(account).Matches(contact.Jid)) session.SendBytes(request, counted: true);
            // Section 3.1.2: what a crash kept from the contact is asked again; one who is away is asked at another time.
            if (contact.Ask && node.Accounts.Local(contact.Jid) is not null) await AskAgainAsync(account, contact.Jid).ConfigureAwait(false);
        }
    }

    private async ValueTask ProbeAsync(Session session, Jid contact)
    {
        if (node.Accounts.Local(contact) is not { Sessions.Length: > 0 } account || service.Rosters.Loaded(account) is not { } theirs) return;
        if (theirs.SharesPresenceWith(session.Account.Jid)) ShowAll(account, session);
        else if (!service.Blocks.Loaded(account).Matches(session.Jid)) await CancelAsync(session.Account, contact).ConfigureAwait(false);
    }

    private ValueTask AskAgainAsync(Account account, Jid contact)
    {
        var request = new Element("presence", Ns.Client).With("from", account.Jid.ToString()).With("to", contact.ToString()).With("type", "subscribe").With("id", Ids.Short());
        return service.Blocks.Loaded(account).Matches(contact) ? ValueTask.CompletedTask : subscriptions.InboundAsync(contact, account.Jid, request, PresenceType.Subscribe);
    }

    /// <summary>The contact does not know of the subscription: the user's roster learns it (section 4.3.2 rule 1).</summary>
    private ValueTask CancelAsync(Account account, Jid contact)
    {
        var cancelled = new Element("presence", Ns.Client).With("from", contact.ToString()).With("to", account.Jid.ToString()).With("type", "unsubscribed").With("id", Ids.Short());
        return subscriptions.InboundAsync(account.Jid, contact, cancelled, PresenceType.Unsubscribed);
    }

    /// <summary>Sends the current presence of an account's resources to a session, except of the session itself.</summary>
    public void ShowAll(Account account, Session to)
    {
        var blocks = service.Blocks;
        if (account != to.Account && (blocks.Loaded(account).Matches(to.Jid) || blocks.Loaded(to.Account).Matches(account.Jid))) return;
        foreach (var session in account.Sessions)
        {
            if (session == to || (account != to.Account && blocks.Loaded(to.Account).Matches(session.Jid))) continue;
            ShowOne(session, to);
        }
    }

    /// <summary>
    /// Sends a session's presence, and again if it changed meanwhile: the newest is the last to arrive, without a lock
    /// between broadcasts and probes (a broadcast sets the state before it sends).
    /// </summary>
    private void ShowOne(Session session, Session to)
    {
        byte[]? sent = null;
        while (true)
        {
            var now = service.StateOf(session)?.Available;
            if (ReferenceEquals(now, sent)) return;
            to.SendBytes(PresenceBytes.Address(now ?? PresenceBytes.Mere(session.Jid, "unavailable"), to.Account.EscapedJid), counted: true);
            sent = now;
        }
    }

    // --- probes that clients send (sections 4.3.2 and 4.6.6) ---

    /// <summary>Answers a client's probe. Whether the contact exists cannot be told from the answer.</summary>
    public async ValueTask AnswerAsync(Session session, Presence probe)
    {
        var to = probe.To!.Value;
        if (to.Domain != node.Options.Domain || to.Local is null) return; // section 4.3: never an error
        var account = await node.Accounts.FindAsync(to.Bare).ConfigureAwait(false);
        if (account is not null && !await node.Router.RunAsync(Stage.Delivering, session, account, probe, null).ConfigureAwait(false)) return;
        if (account is null || !await service.SharesPresenceAsync(account, session.Jid).ConfigureAwait(false))
        {
            await RefuseAsync(session, account, to, probe.Id).ConfigureAwait(false);
            return;
        }
        if (to.IsFull)
        {
            var there = account.Find(to.Resource!) is { } target && service.IsAvailable(target);
            Reply(session, to, there ? null : "unavailable", there ? null : probe.Id);
        }
        else if (account.Sessions.Any(service.IsAvailable)) ShowAll(account, session);
        else await TellLastSeenAsync(session, account, probe.Id).ConfigureAwait(false);
    }

    private async ValueTask RefuseAsync(Session session, Account? account, Jid to, string? id)
    {
        if (account is not null && to.IsFull && account.Find(to.Resource!) is { } target && service.StateOf(target)?.HasDirected(session.Jid) == true)
        {
            Reply(session, to, null, null);
            return;
        }
        var own = await service.Rosters.OfAsync(session.Account).ConfigureAwait(false);
        if (own.Find(to.Bare) is { HasTo: true }) await CancelAsync(session.Account, to.Bare).ConfigureAwait(false);
        else Reply(session, to.Bare, "unsubscribed", id); // to who asked: it ends no request and no pre-approval
    }

    private async ValueTask TellLastSeenAsync(Session session, Account account, string? id)
    {
        var presence = new Element("presence", Ns.Client)
            .With("from", account.Jid.ToString()).With("to", session.Jid.Bare.ToString()).With("type", "unavailable").With("id", id);
        if (await LastSeen.LoadAsync(node, account).ConfigureAwait(false) is { } last)
            presence.Add(new Element("delay", Ns.Delay).With("from", node.Options.Domain).With("stamp", Copies.Stamp(last.At)));
        session.Send(presence);
    }

    private static void Reply(Session session, Jid from, string? type, string? id) =>
        session.SendBytes(PresenceBytes.Address(PresenceBytes.Mere(from, type, id), session.Account.EscapedJid), counted: true);
}
