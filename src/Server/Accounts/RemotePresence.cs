using System.Collections.Concurrent;
using Indaba.Server.Cluster;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>
/// Presence across nodes. What a session tells of itself goes to all other nodes at once, with the list of those who may
/// see it; each node serves whom it holds. When a node dies, whoever was seen there and has not come back is shown as gone.
/// </summary>
internal sealed class RemotePresence(Node node, PresenceService service)
{
    /// <summary>How long the devices of a dead node may take to be there again before their contacts see them go.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<Jid, string> _seen = new(); // sessions of other nodes that somebody here sees, and their node

    /// <summary>Sessions of other nodes that somebody here sees.</summary>
    public int Seen => _seen.Count;

    // --- from here to other nodes ---

    /// <summary>Broadcasts to subscribers at other nodes, and with <paramref name="first"/> asks for the presence of contacts there.</summary>
    public void Broadcast(Session session, Roster roster, byte[] bytes, bool gone, bool first = false)
    {
        if (node.Links.IsAlone) return;
        List<Jid> to = [], probes = [], asks = [];
        var blocked = service.Blocks.Loaded(session.Account);
        foreach (var contact in roster.Contacts)
        {
            if (!(contact.HasFrom || (first && (contact.HasTo || contact.Ask))) || !IsElsewhere(contact.Jid) || blocked.Matches(contact.Jid)) continue;
            if (contact.HasFrom) to.Add(contact.Jid);
            if (first && contact.HasTo) probes.Add(contact.Jid);
            if (first && contact.Ask) asks.Add(contact.Jid);
        }
        Post(new PresenceFan(session.Jid, bytes, gone, to, probes, asks));
    }

    /// <summary>Tells one address of another node.</summary>
    public void Tell(Jid from, byte[] bytes, Jid to, bool gone)
    {
        if (!node.Links.IsAlone && IsElsewhere(to.Bare)) Post(new PresenceFan(from, bytes, gone, [to], [], []));
    }

    /// <summary>Asks for the presence of a contact of another node.</summary>
    public void Probe(Session session, Jid contact)
    {
        if (!node.Links.IsAlone && IsElsewhere(contact)) Post(new PresenceFan(session.Jid, null, false, [], [contact], []));
    }

    private bool IsElsewhere(Jid bare) => bare.Local is not null && bare.Domain == node.Options.Domain && node.Accounts.Local(bare) is null;

    private void Post(PresenceFan fan)
    {
        if (!fan.IsEmpty) node.Links.ToAll(fan.ToItem());
    }

    // --- from other nodes to here ---

    /// <summary>Serves those whom this node holds. Never blocks.</summary>
    public void Take(string from, PresenceFan fan)
    {
        var shown = false;
        Element? element = null;
        foreach (var to in fan.To)
        {
            if (fan.Stanza is null || node.Accounts.Local(to.Bare) is not { Sessions.Length: > 0 } account) continue;
            if (service.Blocks.Loaded(account).Matches(fan.From)) continue;
            element ??= XmppReader.ReadStored(fan.Stanza, Ns.Client);
            service.Receive(account, to, fan.From, element, fan.Stanza, fan.Gone);
            shown = true;
        }
        if (shown && !fan.Gone) _seen[fan.From] = from;
        else if (fan.Gone) _seen.TryRemove(fan.From, out _);
        foreach (var contact in fan.Probes) Answer(fan.From, contact);
        foreach (var contact in fan.Asks) AskAgain(fan.From.Bare, contact);
    }

    private void Answer(Jid asker, Jid contact)
    {
        if (node.Accounts.Local(contact) is not { Sessions.Length: > 0 } account || service.Rosters.Loaded(account) is not { } roster) return;
        if (service.Blocks.Loaded(account).Matches(asker)) return;
        if (roster.SharesPresenceWith(asker.Bare)) ShowAll(account, asker);
        else Later(node.Forwarding.SubscriptionAsync(asker.Bare, contact, // the user's roster learns that there is no subscription (section 4.3.2 rule 1)
            new Element("presence", Ns.Client).With("from", contact.ToString()).With("to", asker.Bare.ToString()).With("type", "unsubscribed").With("id", Ids.Short()), PresenceType.Unsubscribed));
    }

    /// <summary>Sends the presence of an account's resources to a session of another node.</summary>
    public void ShowAll(Account account, Jid to)
    {
        var address = PresenceBytes.Escape(to.Bare);
        foreach (var session in account.Sessions)
        {
            byte[]? sent = null; // the newest is the last to arrive, see PresenceProbes
            while (true)
            {
                var now = service.StateOf(session)?.Available;
                if (ReferenceEquals(now, sent)) break;
                node.Forwarding.ToSession(to, PresenceBytes.Address(now ?? PresenceBytes.Mere(session.Jid, "unavailable"), address));
                sent = now;
            }
        }
    }

    private void AskAgain(Jid asker, Jid contact)
    {
        if (node.Accounts.Local(contact) is null) return;
        var request = new Element("presence", Ns.Client).With("from", asker.ToString()).With("to", contact.ToString()).With("type", "subscribe").With("id", Ids.Short());
        Later(service.Subscriptions.InboundAsync(contact, asker, request, PresenceType.Subscribe).AsTask());
    }

    private void Later(Task task) => _ = task.ContinueWith(t => node.Log.PresenceFailed(default, t.Exception!), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);

    // --- the end of a node ---

    /// <summary>A node is dead: who was seen there has some time to be seen elsewhere, then is shown as gone.</summary>
    public void Lost(string dead)
    {
        if (!_seen.Values.Contains(dead)) return;
        _ = GoneAsync(dead);
    }

    private async Task GoneAsync(string dead)
    {
        await Task.Delay(Grace, node.Time).ConfigureAwait(false);
        var gone = _seen.Where(p => p.Value == dead).Select(p => p.Key).ToHashSet();
        foreach (var jid in gone) _seen.TryRemove(new KeyValuePair<Jid, string>(jid, dead));
        if (gone.Count == 0) return;
        var byBare = gone.ToLookup(j => j.Bare);
        foreach (var account in node.Accounts.All)
        {
            if (account.Sessions.Length == 0 || service.Rosters.Loaded(account) is not { } roster) continue;
            foreach (var contact in roster.Contacts)
            {
                if (!contact.HasTo) continue;
                foreach (var jid in byBare[contact.Jid])
                {
                    var unavailable = new Element("presence", Ns.Client).With("from", jid.ToString()).With("type", "unavailable");
                    service.Receive(account, account.Jid, jid, unavailable, XmppWriter.ToBytes(unavailable, Ns.Client), gone: true);
                }
            }
        }
    }
}
