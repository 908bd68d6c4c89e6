using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;

namespace Indaba.Server.Accounts;

/// <summary>
/// Contacts by invitation: the server made the token, so it acts for the inviter (XEP-0379 sections 3.4 and 3.5, XEP-0401
/// sections 4.3.2 and 4.5). All of it goes the way of ordinary subscriptions: pre-approved, then requested.
/// </summary>
internal sealed class Befriending(Node node, SubscriptionFlow flow)
{
    /// <summary>A subscription stanza of a client. A request with a token that its receiver gave out is approved and returned at once.</summary>
    /// <exception cref="StanzaException">As <see cref="SubscriptionFlow.FromClientAsync"/>.</exception>
    public async ValueTask FromClientAsync(Session session, Presence presence)
    {
        var inviter = presence.Type == PresenceType.Subscribe && presence.Element.Child("preauth", Ns.Preauth)?["token"] is { } token
            ? await InviterAsync(presence.To!.Value.Bare, token, session.Account).ConfigureAwait(false)
            : null;
        if (inviter is { } approver) await flow.OutboundAsync(approver, session.Account.Jid, PresenceType.Subscribed).ConfigureAwait(false);
        await flow.FromClientAsync(session, presence).ConfigureAwait(false);
        if (inviter is { } asker) await flow.OutboundAsync(asker, session.Account.Jid, PresenceType.Subscribe).ConfigureAwait(false);
    }

    /// <summary>Who gave the token out, if it is the one addressed; the token is used up then. An unknown one counts for nothing (XEP-0379 section 4.1).</summary>
    private async ValueTask<Jid?> InviterAsync(Jid to, string token, Account asker)
    {
        if (to.Domain != node.Options.Domain || to.Local is null || to == asker.Jid) return null;
        if (await node.AccountRows.FindAsync(to.Local, to.Domain).ConfigureAwait(false) is not { } inviter) return null;
        return await node.Invitations.TryUseForContactAsync(inviter, token).ConfigureAwait(false) ? to : null;
    }

    /// <summary>An account was made by an invitation: inviter and invited become contacts, each with the other's presence. The account stays whatever becomes of this.</summary>
    public async Task AcceptedAsync(AccountRow invited, Invitation invitation)
    {
        if (!Jid.TryParse(invitation.RosterJid, out var inviterJid) || !Jid.TryCreate(invited.Local, invited.Domain, null, out var invitedJid)) return;
        try
        {
            if (await node.AccountRows.FindAsync(inviterJid.Local ?? "", inviterJid.Domain).ConfigureAwait(false) is not { } inviter || inviter.Id != invitation.CreatedBy) return; // gone, or another of that name
            await node.Presence.BefriendAsync(inviterJid, invitedJid).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            node.Log.BefriendingFailed(invitedJid, e);
        }
    }
}
