using System.Collections.Concurrent;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Server.Streams;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;

namespace Indaba.Server.Accounts;

/// <summary>
/// The node's registry of the accounts that it holds. A hit is a direct call; a miss asks the account's grain, which
/// loads it and enters it here.
/// </summary>
internal sealed class LocalAccounts(IGrainFactory grains)
{
    private readonly ConcurrentDictionary<Jid, Account> _accounts = new();

    /// <summary>How many accounts this node holds.</summary>
    public int Count => _accounts.Count;

    /// <summary>The account of a bare JID of this server, or null when there is none.</summary>
    public ValueTask<Account?> FindAsync(Jid bare) =>
        _accounts.TryGetValue(bare, out var account) && !account.Closed ? ValueTask.FromResult<Account?>(account) : ActivateAsync(bare);

    /// <summary>The account if this node holds it now, or null.</summary>
    public Account? Local(Jid bare) => _accounts.TryGetValue(bare, out var account) && !account.Closed ? account : null;

    /// <summary>Called by the grain.</summary>
    public void Enter(Account account) => _accounts[account.Jid] = account;

    /// <summary>Called by the grain.</summary>
    public void Leave(Account account) => _accounts.TryRemove(new KeyValuePair<Jid, Account>(account.Jid, account));

    /// <summary>A session is attached: the grain stays until <see cref="Release"/>.</summary>
    public ValueTask HoldAsync(Account account) => grains.GetGrain<IAccountGrain>(account.Jid.ToString()).HoldAsync();

    /// <summary>The last session is gone: the grain may go when it is idle.</summary>
    public void Release(Account account) => _ = ReleaseAsync(account);

    /// <summary>The account was deleted or changed in the database: let go of its state.</summary>
    public ValueTask ForgetAsync(Jid bare) => grains.GetGrain<IAccountGrain>(bare.ToString()).ForgetAsync();

    /// <summary>
    /// Ends the sessions of an account but for one that may stay; completes when none of them takes anything more. What
    /// the account was is forgotten unless only its password changed.
    /// </summary>
    public async Task EndSessionsAsync(AccountRow row, SessionsEnd reason, Session? stays)
    {
        if (!Jid.TryCreate(row.Local, row.Domain, null, out var bare)) return;
        var closing = reason == SessionsEnd.PasswordChanged
            ? new StreamClosing(StreamCondition.Reset, "the password was changed")
            : new StreamClosing(StreamCondition.NotAuthorized, reason == SessionsEnd.Deleted ? "the account was removed" : "the account was disabled"); // XEP-0077 section 3.2
        if (Local(bare) is { } account)
            await Task.WhenAll(account.Sessions.Where(s => s != stays).Select(s => s.EndAsync(notifyPeers: true, closing))).ConfigureAwait(false);
        if (reason != SessionsEnd.PasswordChanged) await ForgetAsync(bare).ConfigureAwait(false);
    }

    private async Task ReleaseAsync(Account account)
    {
        try
        {
            await grains.GetGrain<IAccountGrain>(account.Jid.ToString()).ReleaseAsync().ConfigureAwait(false);
        }
        catch (Exception) { /* the silo is stopping: its grains go with it */ }
    }

    private async ValueTask<Account?> ActivateAsync(Jid bare)
    {
        if (bare.Local is null) return null;
        for (var attempt = 0; attempt < 5; attempt++)
        {
            if (!await grains.GetGrain<IAccountGrain>(bare.ToString()).ActivateAsync().ConfigureAwait(false)) return null;
            if (_accounts.TryGetValue(bare, out var account) && !account.Closed) return account;
        }
        throw new InvalidOperationException($"the account {bare} closes whenever it is opened");
    }
}
