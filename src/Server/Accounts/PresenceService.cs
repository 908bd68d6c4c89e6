using Indaba.Server.Modules;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>
/// Presence (RFC 6121 section 4): what a session tells of itself reaches who may see it, and it learns of those whom it
/// may see. All accounts are on this server, so a probe is a look at the contact's sessions, and a contact who is away
/// costs one look into the registry of accounts.
/// </summary>
internal sealed class PresenceService
{
    /// <summary>Bytes of a presence that is broadcast: it is kept for each session, and copied to each contact.</summary>
    public const int MaxBytes = 16_384;

    private readonly Node _node;
    private readonly Slot<PresenceState> _states;
    private readonly PresenceProbes _probes;

    public PresenceService(Node node)
    {
        _node = node;
        _states = node.Modules.SessionSlot<PresenceState>();
        Rosters = new RosterService(node, node.Modules.AccountSlot<Roster>(), _states);
        Blocks = new BlockLists(node, node.Modules.AccountSlot<BlockList>());
        Subscriptions = new SubscriptionFlow(node, this);
        Remote = new RemotePresence(node, this);
        _probes = new PresenceProbes(node, this, Subscriptions);
        Befriending = new Befriending(node, Subscriptions);
    }

    /// <summary>The rosters of accounts.</summary>
    public RosterService Rosters { get; }

    /// <summary>How subscription stanzas travel.</summary>
    public SubscriptionFlow Subscriptions { get; }

    /// <summary>Presence from and to other nodes.</summary>
    public RemotePresence Remote { get; }

    /// <summary>Contacts by invitation (XEP-0379).</summary>
    public Befriending Befriending { get; }

    /// <summary>Whom accounts have blocked.</summary>
    public BlockLists Blocks { get; }

    /// <summary>What a session has told of itself, or null when it never told or asked anything.</summary>
    public PresenceState? StateOf(Session session) => session.Get(_states);

    /// <summary>As <see cref="StateOf"/>, made when there is none. For the session's own work only.</summary>
    public PresenceState MakeState(Session session)
    {
        if (session.Get(_states) is { } state) return state;
        state = new PresenceState();
        session.Set(_states, state);
        return state;
    }

    // --- what clients send ---

    /// <summary>A presence stanza from a session. Those of one session come one after another.</summary>
    /// <exception cref="StanzaException">What the sender is told.</exception>
    public async ValueTask HandleAsync(Session session, Presence presence)
    {
        presence.Element.Remove(static e => e.Is("delay", Ns.Delay)); // when something was sent is for the server to say
        if (!await _node.Router.RunAsync(Stage.Sending, session, session.Account, presence, null).ConfigureAwait(false)) return;
        if (presence.To is null)
        {
            if (presence.Type == PresenceType.Available) await AppearAsync(session, presence).ConfigureAwait(false);
            else if (presence.Type == PresenceType.Unavailable) await DisappearAsync(session, presence.Element, ended: false).ConfigureAwait(false);
            return; // anything else would be to oneself
        }
        if (Accounts.Subscriptions.Manages(presence.Type)) await Befriending.FromClientAsync(session, presence).ConfigureAwait(false);
        else if (presence.Type == PresenceType.Probe) await _probes.AnswerAsync(session, presence).ConfigureAwait(false);
        else await DirectAsync(session, presence, presence.To.Value).ConfigureAwait(false);
    }

    /// <summary>Broadcast of available presence (sections 4.2.2 and 4.4.2).</summary>
    private async ValueTask AppearAsync(Session session, Presence presence)
    {
        var account = session.Account;
        var roster = await Rosters.OfAsync(account).ConfigureAwait(false);
        await Blocks.OfAsync(account).ConfigureAwait(false);
        var state = MakeState(session);
        var first = state.Available is null;
        var bytes = Write(presence.Element);
        if (!state.TryAppear(bytes)) return;
        session.SetPresence(Brief(presence));
        Send(account, presence.Element, bytes, account.Sessions, null);
        Broadcast(session, roster, presence.Element, bytes);
        Remote.Broadcast(session, roster, bytes, gone: false, first);
        if (first) await _probes.CatchUpAsync(session, roster).ConfigureAwait(false);
        if (IsOver(session, state)) TakeBack(session, state, roster);
        if (!first) return;
        var context = new StageContext(_node, null, session, account);
        foreach (var hook in _node.Modules.Hooks(Stage.Available)) await hook(context).ConfigureAwait(false);
    }

    /// <summary>The stanza as it is kept and sent, without an address.</summary>
    /// <exception cref="StanzaException">policy-violation: it is too long.</exception>
    private static byte[] Write(Element presence)
    {
        var bytes = PresenceBytes.Unaddressed(presence);
        return bytes.Length <= MaxBytes ? bytes : throw new StanzaException(StanzaCondition.PolicyViolation, $"A presence has {MaxBytes} bytes at most");
    }

    /// <summary>The session keeps what routing looks at; the stanza itself is kept as bytes, at a fifth of the memory.</summary>
    private static Presence Brief(Presence presence)
    {
        var brief = new Element("presence", Ns.Client);
        return new Presence(brief.Add(presence.Element.Child("show", Ns.Client)).Add(presence.Element.Child("priority", Ns.Client)));
    }

    /// <summary>True when the session has ended; its end may have come before there was a state to note it in.</summary>
    private static bool IsOver(Session session, PresenceState state) => state.Ended || session.State == SessionState.Ended;

    /// <summary>The session ended while it was broadcasting: nobody may be left believing that it is there.</summary>
    private void TakeBack(Session session, PresenceState state, Roster roster)
    {
        state.Disappear(ended: true, out _);
        var gone = UnavailableOf(session);
        var bytes = XmppWriter.ToBytes(gone, Ns.Client);
        Send(session.Account, gone, bytes, session.Account.Sessions, session.Jid);
        Broadcast(session, roster, gone, bytes, gone: true);
        Remote.Broadcast(session, roster, bytes, gone: true);
    }

    // --- the end of availability ---

    /// <summary>A session has ended: whoever saw it learns that it is unavailable (section 4.5.2).</summary>
    public async Task SessionEndedAsync(Session session)
    {
        if (StateOf(session) is null) return;
        try
        {
            await DisappearAsync(session, UnavailableOf(session), ended: true).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            _node.Log.PresenceFailed(session.Jid, error); // the session is gone all the same
        }
    }

    /// <summary>Broadcast of unavailable presence: to subscribers, to the own resources, and to whom the session sent presence directly (sections 4.5.2, 4.6.3).</summary>
    private async ValueTask DisappearAsync(Session session, Element presence, bool ended)
    {
        if (StateOf(session) is not { } state) return;
        var bytes = Write(presence);
        var was = state.Disappear(ended, out var directed);
        if (!was && directed.Count == 0) return;
        var account = session.Account;
        var roster = await Rosters.OfAsync(account).ConfigureAwait(false);
        if (was)
        {
            session.SetPresence(null);
            Send(account, presence, bytes, account.Sessions, session.Jid);
            if (!ended) session.SendBytes(PresenceBytes.Address(bytes, account.EscapedJid), counted: true);
            Broadcast(session, roster, presence, bytes, gone: true);
            Remote.Broadcast(session, roster, bytes, gone: true);
        }
        foreach (var to in directed)
        {
            if (!was || !roster.SharesPresenceWith(to.Bare)) Deliver(session, to, presence, PresenceBytes.Address(bytes, PresenceBytes.Escape(to)));
        }
        if (was && !account.Sessions.Any(IsAvailable))
            await new LastSeen(_node.Time.GetUtcNow(), presence.ChildText("status", Ns.Client) ?? "").SaveAsync(_node, account).ConfigureAwait(false);
    }

    // --- directed presence (section 4.6) ---

    private async ValueTask DirectAsync(Session session, Presence presence, Jid to)
    {
        if (to.Domain != _node.Options.Domain)
            throw new StanzaException(StanzaCondition.RemoteServerNotFound);
        if (to.Local is null) return; // section 8.5.1
        var shows = presence.Type == PresenceType.Available && to.Bare != session.Account.Jid;
        if (presence.Type == PresenceType.Unavailable) StateOf(session)?.Undirect(to);
        else if (shows) await NoteDirectedAsync(session, to).ConfigureAwait(false);
        if (_node.Accounts.Local(to.Bare) is { } account && !await _node.Router.RunAsync(Stage.Delivering, session, account, presence, null).ConfigureAwait(false)) return;
        if (presence.Type != PresenceType.Error || to.IsFull) Deliver(session, to, presence.Element, XmppWriter.ToBytes(presence.Element, Ns.Client));
        if (shows && IsOver(session, MakeState(session)))
            Deliver(session, to, UnavailableOf(session), PresenceBytes.Address(PresenceBytes.Mere(session.Jid, "unavailable"), PresenceBytes.Escape(to)));
    }

    private async ValueTask NoteDirectedAsync(Session session, Jid to)
    {
        var state = MakeState(session);
        if (state.Available is not null && (await Rosters.OfAsync(session.Account).ConfigureAwait(false)).SharesPresenceWith(to.Bare)) return;
        if (!state.TryDirect(to) && !state.Ended)
            throw new StanzaException(new StanzaError(StanzaCondition.ResourceConstraint, StanzaErrorType.Wait, $"Directed presence goes to {PresenceState.MaxDirected} addresses at most"));
    }

    /// <summary>To the resource, or to all available ones (sections 8.5.2.1.2, 8.5.3.1).</summary>
    private void Deliver(Session from, Jid to, Element presence, byte[] bytes)
    {
        if (_node.Accounts.Local(to.Bare) is not { } account)
        {
            Remote.Tell(from.Jid, PresenceBytes.Unaddressed(presence), to, gone: presence["type"] == "unavailable");
            return;
        }
        foreach (var session in account.Sessions)
        {
            if (to.IsFull ? session.Jid.Resource != to.Resource : !IsAvailable(session)) continue;
            if (IsBlocked(from, account, session.Jid)) continue;
            session.SendStanza(presence, bytes);
            if (presence["type"] == "unavailable") StateOf(session)?.Undirect(from.Jid);
        }
    }

    /// <summary>Presence of a session of another node, for an account of this one: to the resource, or to all available ones.</summary>
    public void Receive(Account account, Jid to, Jid from, Element presence, byte[] bytes, bool gone)
    {
        byte[]? addressed = null;
        foreach (var session in account.Sessions)
        {
            if (to.IsFull ? session.Jid.Resource != to.Resource : !IsAvailable(session)) continue;
            session.SendStanza(presence, addressed ??= PresenceBytes.Address(bytes, PresenceBytes.Escape(to)));
            if (gone) StateOf(session)?.Undirect(from);
        }
    }

    /// <summary>A client's probe has come from another node; true when the asker may not see the account.</summary>
    public ValueTask<bool> ReceiveProbeAsync(Account account, Presence probe) => _probes.AnswerRemoteAsync(account, probe);

    // --- who may see whom ---

    /// <summary>True while a session is available (section 4.1).</summary>
    public bool IsAvailable(Session session) => StateOf(session)?.Available is not null;

    /// <summary>True when the address gets the account's presence: it is the account's own or subscribed to it.</summary>
    public async ValueTask<bool> SharesPresenceAsync(Account account, Jid with) =>
        with.Bare == account.Jid || (await Rosters.OfAsync(account).ConfigureAwait(false)).SharesPresenceWith(with.Bare);

    private bool IsBlocked(Session from, Account account, Jid to) =>
        account != from.Account && (Blocks.Loaded(account).Matches(from.Jid) || Blocks.Loaded(from.Account).Matches(to));

    /// <summary>To every contact that is subscribed and there.</summary>
    private void Broadcast(Session session, Roster roster, Element presence, byte[] bytes, bool gone = false)
    {
        foreach (var contact in roster.Contacts)
        {
            if (!contact.HasFrom || _node.Accounts.Local(contact.Jid) is not { Sessions.Length: > 0 } account || account == session.Account) continue;
            if (IsBlocked(session, account, contact.Jid)) continue;
            Send(account, presence, bytes, account.Sessions, gone ? session.Jid : null, Blocks.Loaded(session.Account));
        }
    }

    /// <summary>To the available ones of these sessions; <paramref name="gone"/> has become unavailable by it.</summary>
    private void Send(Account account, Element presence, byte[] bytes, Session[] sessions, Jid? gone, BlockList? except = null)
    {
        byte[]? addressed = null;
        foreach (var session in sessions)
        {
            if (StateOf(session) is not { Available: not null } state || except?.Matches(session.Jid) == true) continue;
            session.SendStanza(presence, addressed ??= PresenceBytes.Address(bytes, account.EscapedJid));
            if (gone is { } jid) state.Undirect(jid);
        }
    }

    // --- when a subscription or a block begins or ends ---

    /// <summary>Sends the current presence of an account's resources to another's (section 3.1.5; XEP-0191 section 3.4).</summary>
    public void Show(Account account, Jid contact)
    {
        if (_node.Accounts.Local(contact) is { } to)
        {
            Show(account, to);
            return;
        }
        foreach (var session in account.Sessions)
        {
            if (StateOf(session)?.Available is { } presence) Remote.Tell(session.Jid, presence, contact, gone: false);
        }
    }

    private void Show(Account account, Account to)
    {
        foreach (var receiver in to.Sessions)
        {
            if (IsAvailable(receiver)) _probes.ShowAll(account, receiver);
        }
    }

    /// <summary>Sends unavailable presence of an account's resources to another's (sections 3.2.2 and 3.3.3).</summary>
    public void Hide(Account account, Jid from)
    {
        if (account.Jid == from || Blocks.Loaded(account).Matches(from)) return;
        var other = _node.Accounts.Local(from);
        foreach (var session in account.Sessions)
        {
            if (StateOf(session) is not { } state || (state.Available is null && !state.HasDirected(from))) continue;
            state.Undirect(from);
            if (other is not null) Hide(session, other, null);
            else Remote.Tell(session.Jid, PresenceBytes.Mere(session.Jid, "unavailable"), from, gone: true);
        }
    }

    private void Hide(Session session, Account from, BlockList? only)
    {
        if (Blocks.Loaded(from).Matches(session.Jid)) return;
        byte[]? bytes = null;
        foreach (var receiver in from.Sessions)
        {
            if (!IsAvailable(receiver) || only?.Matches(receiver.Jid) == false) continue;
            receiver.SendBytes(bytes ??= PresenceBytes.Address(PresenceBytes.Mere(session.Jid, "unavailable"), from.EscapedJid), counted: true);
        }
    }

    /// <summary>
    /// The account is about to block these addresses: those of them that see its resources see them go (XEP-0191 section 3.3).
    /// </summary>
    public async ValueTask HideFromAsync(Account account, BlockList blocked)
    {
        var roster = await Rosters.OfAsync(account).ConfigureAwait(false);
        foreach (var session in account.Sessions)
        {
            if (StateOf(session) is not { } state) continue;
            if (state.Available is not null)
            {
                foreach (var contact in roster.Contacts)
                {
                    if (!contact.HasFrom) continue;
                    if (_node.Accounts.Local(contact.Jid) is { } other) Hide(session, other, blocked);
                    else if (blocked.Matches(contact.Jid)) Remote.Tell(session.Jid, PresenceBytes.Mere(session.Jid, "unavailable"), contact.Jid, gone: true);
                }
            }
            foreach (var to in state.TakeDirected(blocked))
                Deliver(session, to, UnavailableOf(session), PresenceBytes.Address(PresenceBytes.Mere(session.Jid, "unavailable"), PresenceBytes.Escape(to)));
        }
    }

    /// <summary>The account has unblocked these addresses: subscribers among them see its resources again (XEP-0191 section 3.4), and it sees theirs.</summary>
    public async ValueTask ShowToAsync(Account account, BlockList unblocked)
    {
        foreach (var contact in (await Rosters.OfAsync(account).ConfigureAwait(false)).Contacts)
        {
            if (_node.Accounts.Local(contact.Jid) is not { } other)
            {
                if (unblocked.Matches(contact.Jid)) ShowElsewhere(account, contact);
                continue;
            }
            if (contact.HasFrom && other.Sessions.Any(s => unblocked.Matches(s.Jid))) Show(account, other);
            if (contact.HasTo && other.Sessions.Any(s => unblocked.Matches(s.Jid)) && Rosters.Loaded(other)?.SharesPresenceWith(account.Jid) == true) Show(other, account);
        }
    }

    private void ShowElsewhere(Account account, RosterContact contact)
    {
        if (contact.HasFrom) Show(account, contact.Jid);
        if (!contact.HasTo) return;
        foreach (var session in account.Sessions)
        {
            if (IsAvailable(session)) Remote.Probe(session, contact.Jid);
        }
    }

    private static Element UnavailableOf(Session session) => new Element("presence", Ns.Client).With("from", session.Jid.ToString()).With("type", "unavailable");

    // --- for other parts of the server ---

    /// <summary>Removes a contact with both subscriptions (section 2.5); false when it was not in the roster.</summary>
    public async ValueTask<bool> RemoveContactAsync(Account account, Jid jid)
    {
        if (await Rosters.RemoveAsync(account, jid).ConfigureAwait(false) is not { } contact) return false;
        await Subscriptions.RemovedAsync(account, contact).ConfigureAwait(false);
        return true;
    }

    /// <summary>Makes two accounts each other's contacts, as if each had asked and been approved: for invitations (XEP-0379).</summary>
    public async ValueTask BefriendAsync(Jid one, Jid other)
    {
        foreach (var (from, to) in new[] { (one, other), (other, one) })
        {
            await Subscriptions.OutboundAsync(from, to, PresenceType.Subscribed).ConfigureAwait(false); // approves the request that follows
            await Subscriptions.OutboundAsync(to, from, PresenceType.Subscribe).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Ends all subscriptions of an account that is about to be removed, so that its contacts learn of it (XEP-0077 section
    /// 3.2), and whatever others have granted to its address.
    /// </summary>
    public async ValueTask LeaveAsync(Account account)
    {
        foreach (var contact in (await Rosters.OfAsync(account).ConfigureAwait(false)).Contacts)
            await Subscriptions.RemovedAsync(account, contact).ConfigureAwait(false);
        foreach (var holder in await _node.Rosters.HoldersAsync(account.Jid.ToString()).ConfigureAwait(false))
        {
            if (await _node.AccountRows.FindByIdAsync(holder).ConfigureAwait(false) is { } row && Jid.TryCreate(row.Local, row.Domain, null, out var user))
                await Subscriptions.ContactRemovedAsync(user, account.Jid).ConfigureAwait(false);
        }
    }
}
