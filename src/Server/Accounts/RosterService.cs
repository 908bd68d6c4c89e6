using System.Globalization;
using Indaba.Server.Modules;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>
/// The rosters of accounts: loaded when first needed, changed one change at a time, on disk before anybody is told
/// (RFC 6121 section 2).
/// </summary>
internal sealed class RosterService(Node node, Slot<Roster> slot, Slot<PresenceState> sessions)
{
    /// <summary>Bytes of a name or group: as long as any part of an address (RFC 7622).</summary>
    public const int MaxText = 1023;
    /// <summary>Groups of one contact.</summary>
    public const int MaxGroups = 64;

    /// <summary>The roster of an account.</summary>
    public ValueTask<Roster> OfAsync(Account account) =>
        account.Get(slot) is { } roster ? ValueTask.FromResult(roster) : new ValueTask<Roster>(LoadAsync(account));

    /// <summary>The roster if it is in memory, as it is for every account with an available resource; else null.</summary>
    public Roster? Loaded(Account account) => account.Get(slot);

    /// <summary>Forgets what is in memory.</summary>
    public void Forget(Account account) => account.Set(slot, null);

    private async Task<Roster> LoadAsync(Account account)
    {
        var rows = await node.Rosters.LoadAsync(account.Id).ConfigureAwait(false);
        lock (account.Lock)
        {
            if (account.Get(slot) is { } other) return other; // loaded, and perhaps changed, meanwhile
            var roster = new Roster(rows, account.Jid.Domain);
            account.Set(slot, roster);
            return roster;
        }
    }

    // --- versions (section 2.6): the account's tag goes first, so that a re-created account never continues a former one's ---

    /// <summary>The <c>ver</c> of a version.</summary>
    public static string VersionOf(Account account, long version) => string.Create(CultureInfo.InvariantCulture, $"{account.Row.Tag}-{version}");

    /// <summary>Reads a <c>ver</c>; false when it is not one of this account's.</summary>
    public static bool TryVersion(Account account, string ver, out long version)
    {
        version = 0;
        return ver.Length > account.Row.Tag.Length && ver.StartsWith(account.Row.Tag, StringComparison.Ordinal) && ver[account.Row.Tag.Length] == '-'
            && long.TryParse(ver.AsSpan(account.Row.Tag.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out version);
    }

    // --- changes by the user (sections 2.3 to 2.5) ---

    /// <summary>Adds or changes a contact's name and groups; its subscriptions stay as they are.</summary>
    /// <exception cref="StanzaException">resource-constraint: the roster is full.</exception>
    public async ValueTask SetAsync(Account account, Jid jid, string name, IReadOnlyList<string> groups)
    {
        var roster = await OfAsync(account).ConfigureAwait(false);
        using var gate = await roster.EnterAsync().ConfigureAwait(false);
        var old = roster.Find(jid);
        if (old is not { IsListed: true }) CheckRoom(roster);
        var contact = old is null
            ? new RosterContact(jid, name, Subscription.None, Ask: false, PendingIn: null, Approved: false, groups)
            : old with { Name = name, Groups = groups };
        await SaveAsync(account, roster, contact, always: true).ConfigureAwait(false);
    }

    /// <summary>Removes a contact and returns what it was; null when it was not in the roster.</summary>
    public async ValueTask<RosterContact?> RemoveAsync(Account account, Jid jid)
    {
        var roster = await OfAsync(account).ConfigureAwait(false);
        using var gate = await roster.EnterAsync().ConfigureAwait(false);
        if (roster.Find(jid) is not { IsListed: true } contact) return null;
        await DeleteAsync(account, roster, contact).ConfigureAwait(false);
        return contact;
    }

    // --- what every change comes to; inside the gate ---

    /// <summary>Refuses one contact more than the roster may have.</summary>
    /// <exception cref="StanzaException">resource-constraint.</exception>
    public void CheckRoom(Roster roster)
    {
        var limit = node.Options.Limits.RosterItems;
        if (roster.Contacts.Length >= limit && roster.Contacts.Count(c => c.IsListed) >= limit)
            throw new StanzaException(new StanzaError(StanzaCondition.ResourceConstraint, StanzaErrorType.Cancel, $"A roster has {limit} contacts at most"));
    }

    /// <summary>Commits a contact, then pushes it if clients see a difference, or <paramref name="always"/>.</summary>
    public async ValueTask SaveAsync(Account account, Roster roster, RosterContact contact, Action? beforePush = null, bool always = false)
    {
        var old = roster.Find(contact.Jid);
        var version = await node.Rosters.UpsertAsync(account.Id, contact.ToRow()).ConfigureAwait(false);
        roster.Put(contact, version);
        beforePush?.Invoke();
        if (contact.IsListed && (always || !contact.LooksLike(old))) Push(account, contact.ToElement(), version);
    }

    /// <summary>Commits a removal, then pushes it if clients saw the contact.</summary>
    public async ValueTask DeleteAsync(Account account, Roster roster, RosterContact contact, Action? beforePush = null)
    {
        var version = await node.Rosters.DeleteAsync(account.Id, contact.Jid.ToString()).ConfigureAwait(false) ?? roster.Version;
        roster.Remove(contact.Jid, version);
        beforePush?.Invoke();
        if (contact.IsListed) Push(account, RosterContact.Removed(contact.Jid.ToString()), version);
    }

    private void Push(Account account, Element item, long version)
    {
        foreach (var session in account.Sessions)
        {
            if (session.Get(sessions)?.WantsRoster == true) session.Send(PushOf(session, item, VersionOf(account, version)));
        }
    }

    private static Element PushOf(Session session, Element item, string version) => new Element("iq", Ns.Client)
        .With("type", "set").With("id", "push-" + Ids.Short()).With("to", session.Jid.ToString())
        .Add(new Element("query", Ns.Roster).With("ver", version).Add(item));

    // --- retrieval (sections 2.1.3, 2.2 and 2.6) ---

    /// <summary>
    /// Sends the roster, or what has changed since the client's version, and pushes changes from now on. Inside the gate,
    /// so that no change can come between the state that is sent and the pushes that follow it.
    /// </summary>
    public async ValueTask SendAsync(Session session, PresenceState state, Iq request)
    {
        var account = session.Account;
        var roster = await OfAsync(account).ConfigureAwait(false);
        using var gate = await roster.EnterAsync().ConfigureAwait(false);
        var changes = await ChangesAsync(account, roster, request.Payload!["ver"]).ConfigureAwait(false);
        state.WantsRoster = true;
        if (changes is null)
        {
            session.Send(request.Result(Whole(account, roster)));
            return;
        }
        session.Send(request.Result());
        foreach (var change in changes)
        {
            var item = change.Item is { Name: not null } row && RosterContact.Of(row) is { } contact ? contact.ToElement() : RosterContact.Removed(change.Jid);
            session.Send(PushOf(session, item, VersionOf(account, change.Version)));
        }
    }

    /// <summary>What has changed since the client's version; null when the whole roster is to be sent.</summary>
    private async ValueTask<IReadOnlyList<RosterChange>?> ChangesAsync(Account account, Roster roster, string? ver)
    {
        if (ver is null || !TryVersion(account, ver, out var version)) return null;
        if (version == roster.Version) return [];
        var since = await node.Rosters.ChangesSinceAsync(account.Id, version).ConfigureAwait(false);
        return since is null || since.Changes.Count > roster.Contacts.Length ? null : since.Changes; // each push costs more than its item
    }

    private static Element Whole(Account account, Roster roster)
    {
        var query = new Element("query", Ns.Roster).With("ver", VersionOf(account, roster.Version));
        foreach (var contact in roster.Contacts)
        {
            if (contact.IsListed) query.Add(contact.ToElement());
        }
        return query;
    }
}
