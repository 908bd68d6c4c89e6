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
        var place = await node.Accounts.LocateAsync(to.Bare).ConfigureAwait(false);
        if (place.Owner is not null)
        {
            if (await node.Forwarding.ProbeAsync(probe).ConfigureAwait(false)) await RefuseAsync(session, to, probe.Id).ConfigureAwait(false);
            return;
        }
        if (place.Account is not { } account)
        {
            await RefuseAsync(session, to, probe.Id).ConfigureAwait(false);
            return;
        }
        if (!await node.Router.RunAsync(Stage.Delivering, session, account, probe, null).ConfigureAwait(false)) return;
        if (account.Sessions.Any(service.IsAvailable) && to.IsBare && await service.SharesPresenceAsync(account, session.Jid).ConfigureAwait(false))
        {
            ShowAll(account, session);
            return;
        }
        if (await AnswerAsync(account, probe, session.Jid, bytes => session.SendBytes(bytes, counted: true)).ConfigureAwait(false)) await RefuseAsync(session, to, probe.Id).ConfigureAwait(false);
    }

    /// <summary>The same for a client of another node; true when the asker may not see the account.</summary>
    public async ValueTask<bool> AnswerRemoteAsync(Account account, Presence probe)
    {
        var asker = probe.From!.Value;
        if (!await node.Router.RunAsync(Stage.Delivering, null, account, probe, null).ConfigureAwait(false)) return false;
        if (account.Sessions.Any(service.IsAvailable) && probe.To!.Value.IsBare && await service.SharesPresenceAsync(account, asker).ConfigureAwait(false))
        {
            service.Remote.ShowAll(account, asker);
            return false;
        }
        return await AnswerAsync(account, probe, asker, bytes => node.Forwarding.ToSession(asker, bytes)).ConfigureAwait(false);
    }

    /// <summary>Answers what is not the presence of several resources; true when the asker may not see the account.</summary>
    private async ValueTask<bool> AnswerAsync(Account account, Presence probe, Jid asker, Action<byte[]> reply)
    {
        var to = probe.To!.Value;
        var target = to.IsFull ? account.Find(to.Resource!) : null;
        if (!await service.SharesPresenceAsync(account, asker).ConfigureAwait(false))
        {
            if (target is null || service.StateOf(target)?.HasDirected(asker) != true) return true;
            Reply(reply, asker, to, null, null);
        }
        else if (to.IsFull)
        {
            var there = target is not null && service.IsAvailable(target);
            Reply(reply, asker, to, there ? null : "unavailable", there ? null : probe.Id);
        }
        else await TellLastSeenAsync(reply, asker, account, probe.Id).ConfigureAwait(false);
        return false;
    }

    private async ValueTask RefuseAsync(Session session, Jid to, string? id)
    {
        var own = await service.Rosters.OfAsync(session.Account).ConfigureAwait(false);
        if (own.Find(to.Bare) is { HasTo: true }) await CancelAsync(session.Account, to.Bare).ConfigureAwait(false);
        else Reply(bytes => session.SendBytes(bytes, counted: true), session.Jid, to.Bare, "unsubscribed", id); // to who asked: it ends no request and no pre-approval
    }

    private async ValueTask TellLastSeenAsync(Action<byte[]> reply, Jid asker, Account account, string? id)
    {
        var presence = new Element("presence", Ns.Client)
            .With("from", account.Jid.ToString()).With("to", asker.Bare.ToString()).With("type", "unavailable").With("id", id);
        if (await LastSeen.LoadAsync(node, account).ConfigureAwait(false) is { } last)
            presence.Add(new Element("delay", Ns.Delay).With("from", node.Options.Domain).With("stamp", Copies.Stamp(last.At)));
        reply(XmppWriter.ToBytes(presence, Ns.Client));
    }

    private static void Reply(Action<byte[]> reply, Jid asker, Jid from, string? type, string? id) =>
        reply(PresenceBytes.Address(PresenceBytes.Mere(from, type, id), PresenceBytes.Escape(asker.Bare)));
}
