using Indaba.Server.Options;
using Indaba.Server.Storage;

namespace Indaba.Server.Accounts;

/// <summary>
/// Invitations: who has one may make an account (XEP-0401, XEP-0445), and becomes a contact of the inviter when that is
/// a user (XEP-0379). Tokens have 160 bits from the system's CSPRNG.
/// </summary>
internal sealed class Invitations(InvitationStore store, AccountStore accounts, AccountService service, Settings settings, PublicAddress address, TimeProvider time)
{
    /// <summary>An account, no contact: made by the operator (XEP-0401 section 4, "create-account").</summary>
    public const string AccountKind = "account";
    /// <summary>A contact who may make an account: made by a user (XEP-0401 section 3, "invite").</summary>
    public const string ContactKind = "contact";
    /// <summary>The first account, an administrator. Void once there is any account.</summary>
    public const string FirstAdminKind = "first-admin";

    /// <summary>The bounds of what an inviter can ask for.</summary>
    public const int MaxUses = 10_000;
    public static readonly TimeSpan MaxTime = TimeSpan.FromDays(3650);

    /// <summary>Makes an invitation of the operator.</summary>
    /// <param name="expires">Null for the default of the settings.</param>
    public Task<Invitation> CreateAsync(Role role = Role.User, int uses = 1, TimeSpan? expires = null, CancellationToken cancel = default) =>
        CreateAsync(AccountKind, null, role, uses, expires, null, cancel);

    /// <summary>Makes an invitation of a user: one use, and whoever uses it and the user become contacts. Null when the settings forbid it.</summary>
    public async Task<Invitation?> CreateContactAsync(AccountRow inviter, TimeSpan? expires = null, CancellationToken cancel = default) =>
        settings.Current.Registration.UsersMayInvite
            ? await CreateAsync(ContactKind, inviter.Id, Role.User, 1, expires, $"{inviter.Local}@{inviter.Domain}", cancel).ConfigureAwait(false)
            : null;

    /// <summary>An invitation that can be used for an account now, or null.</summary>
    public async Task<Invitation?> FindAsync(string token, CancellationToken cancel = default)
    {
        if (!HasForm(token) || await store.FindAsync(token, cancel).ConfigureAwait(false) is not { } found) return null;
        return await IsForAccountsAsync(found, cancel).ConfigureAwait(false) ? found : null;
    }

    /// <summary>
    /// Called when an account was made by an invitation: the inviter, if there is one, and the invited become contacts. The
    /// account stays whatever becomes of it.
    /// </summary>
    public Func<AccountRow, Invitation, Task>? Accepted { get; set; }

    /// <summary>
    /// Makes the invited account. The use is counted in the same commit as the account, so a token that failed for a
    /// taken name or a weak password can be tried again.
    /// </summary>
    public Task<AccountResult> RegisterAsync(string token, string name, string password, CancellationToken cancel = default) =>
        RegisterAsync(token, name, password, time.GetUtcNow(), cancel);

    /// <summary>As above, with a token that was accepted at an earlier time: it may have expired since (XEP-0445 section 4).</summary>
    public async Task<AccountResult> RegisterAsync(string token, string name, string password, DateTimeOffset acceptedAt, CancellationToken cancel)
    {
        if (!HasForm(token) || await store.FindAsync(token, acceptedAt, cancel).ConfigureAwait(false) is not { } found || !await IsForAccountsAsync(found, cancel).ConfigureAwait(false))
            return new AccountResult(AccountOutcome.InvitationInvalid);
        var result = await service.CreateInvitedAsync(token, name, password, acceptedAt, cancel).ConfigureAwait(false);
        if (result is { IsDone: true, Account: { } account, Invitation: { } used } && Accepted is { } accepted) await accepted(account, used).ConfigureAwait(false);
        return result;
    }

    /// <summary>
    /// Makes an invitation to an account for an administrator. With <paramref name="name"/> nobody else can take that name
    /// while it is open; the outcome says why it cannot be had.
    /// </summary>
    /// <param name="contact">Who becomes a contact of the invited one, or null.</param>
    /// <param name="by">The id of who makes it.</param>
    /// <param name="name">The name of the account, or null to let the invited choose.</param>
    public async Task<AccountResult> TryCreateAccountInvitationAsync(AccountRow? contact, long by, string? name, CancellationToken cancel = default)
    {
        string? local = null;
        if (name is not null && !service.TryLocal(name, out local)) return new AccountResult(AccountOutcome.NameInvalid);
        var invitation = New(AccountKind, by, Role.User, 1, null, contact is null ? null : $"{contact.Local}@{contact.Domain}") with { Local = local };
        var kept = local is null ? await store.CreateAsync(invitation, cancel).ConfigureAwait(false) : await store.ReserveAsync(invitation, settings.Current.Domain, cancel).ConfigureAwait(false);
        return kept ? new AccountResult(AccountOutcome.Done, null, invitation) : new AccountResult(AccountOutcome.NameTaken);
    }

    /// <summary>
    /// Uses an invitation between users that have accounts already (XEP-0379 section 3.5): true when it was made by this
    /// account, to be its contact, and is open. It is used up then.
    /// </summary>
    public async Task<bool> TryUseForContactAsync(AccountRow inviter, string token, CancellationToken cancel = default) =>
        HasForm(token) && await store.FindAsync(token, cancel).ConfigureAwait(false) is { } found && found.CreatedBy == inviter.Id && found.RosterJid == $"{inviter.Local}@{inviter.Domain}"
            && await store.TryUseAsync(token, cancel).ConfigureAwait(false) is not null;

    /// <summary>The administrator's invitation while there is no account: the one that is open, or a new one; null once there is an account.</summary>
    public async Task<Invitation?> FirstAdminAsync(CancellationToken cancel = default)
    {
        var open = (await store.ListAsync(null, 100, cancel).ConfigureAwait(false)).Where(i => i.Kind == FirstAdminKind).ToArray();
        if (await accounts.CountAsync(cancel).ConfigureAwait(false) > 0)
        {
            // It stands in a log or a terminal somewhere: it must not lie about as a way to become administrator.
            foreach (var left in open) await store.RevokeAsync(left.Token, cancel: cancel).ConfigureAwait(false);
            return null;
        }
        var now = time.GetUtcNow();
        return open.FirstOrDefault(i => i.Uses < i.MaxUses && i.ExpiresAt > now) ?? await CreateAsync(FirstAdminKind, null, Role.Admin, 1, null, null, cancel).ConfigureAwait(false);
    }

    /// <summary>All invitations, newest first, used and expired ones included.</summary>
    public Task<IReadOnlyList<Invitation>> ListAsync(int limit, CancellationToken cancel = default) => store.ListAsync(null, limit, cancel);

    /// <summary>Invitations that a user has made, newest first, used and expired ones included.</summary>
    public Task<IReadOnlyList<Invitation>> MadeByAsync(AccountRow inviter, int limit, CancellationToken cancel = default) => store.ListAsync(inviter.Id, limit, cancel);

    /// <summary>Takes an invitation back; false when there was none.</summary>
    public async Task<bool> RevokeAsync(string token, CancellationToken cancel = default) => HasForm(token) && await store.RevokeAsync(token, cancel: cancel).ConfigureAwait(false);

    /// <summary>The page to send to the invited; null when no HTTP listener is on.</summary>
    public Uri? Link(Invitation invitation) => address.Under($"invite/{invitation.Token}");

    /// <summary>
    /// The link that an app opens (XEP-0445 section 2): <c>xmpp:DOMAIN?register;preauth=TOKEN</c>, or for a contact
    /// <c>xmpp:INVITER?roster;preauth=TOKEN;ibr=y</c>, without <c>ibr</c> when no account can be made.
    /// </summary>
    public string XmppUri(Invitation invitation)
    {
        var domain = settings.Current.Domain;
        if (invitation is not { Kind: ContactKind, RosterJid: { } jid })
            return $"xmpp:{Escape(invitation.Local is null ? domain : $"{invitation.Local}@{domain}")}?register;preauth={invitation.Token}";
        var open = settings.Current.Registration.Mode != RegistrationMode.Closed;
        return $"xmpp:{Escape(jid)}?roster;preauth={invitation.Token}{(open ? ";ibr=y" : "")}";
    }

    private async Task<Invitation> CreateAsync(string kind, long? by, Role role, int uses, TimeSpan? expires, string? rosterJid, CancellationToken cancel)
    {
        var invitation = New(kind, by, role, uses, expires, rosterJid);
        return await store.CreateAsync(invitation, cancel).ConfigureAwait(false) ? invitation : throw new InvalidOperationException("a token of 160 random bits came twice");
    }

    private Invitation New(string kind, long? by, Role role, int uses, TimeSpan? expires, string? rosterJid)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(uses, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(uses, MaxUses);
        var span = expires ?? TimeSpan.FromDays(settings.Current.Registration.InvitationDays);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(span, TimeSpan.Zero, nameof(expires));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(span, MaxTime, nameof(expires));
        var now = time.GetUtcNow();
        return new Invitation(Ids.Token(), kind, by, now, now + span, uses, 0, role, rosterJid);
    }

    private async Task<bool> IsForAccountsAsync(Invitation invitation, CancellationToken cancel)
    {
        if (invitation.Kind == FirstAdminKind) return await accounts.CountAsync(cancel).ConfigureAwait(false) == 0;
        return settings.Current.Registration.Mode != RegistrationMode.Closed;
    }

    private static bool HasForm(string token) => token.Length == 32 && token.All(static c => c is (>= 'a' and <= 'z') or (>= '2' and <= '7'));

    // RFC 5122 section 2.7.2: what is not allowed in a node or host is percent-encoded; "@" parts them.
    private static string Escape(string jid) => Uri.EscapeDataString(jid).Replace("%40", "@", StringComparison.Ordinal);
}
