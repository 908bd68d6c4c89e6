using System.Collections.Concurrent;
using Indaba.Xmpp;

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
