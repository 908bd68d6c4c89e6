using System.Collections.Concurrent;
using Indaba.Xmpp;
using Orleans.Runtime;

namespace Indaba.Server.Accounts;

/// <summary>Where an account is held: here, at another node, or nowhere since it does not exist.</summary>
internal readonly record struct Place(Account? Account, SiloAddress? Owner)
{
    /// <summary>True when there is such an account.</summary>
    public bool Exists => Account is not null || Owner is not null;
}

/// <summary>
/// The node's registry of the accounts that it holds. A hit is a direct call; a miss asks the account's grain, which
/// loads it at one node and tells which.
/// </summary>
internal sealed class LocalAccounts(Node node, IGrainFactory grains)
{
    /// <summary>How long a search goes on while nodes come and go: longer than a dead node can go unnoticed, or a database be restarted.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(25), LongestPause = TimeSpan.FromMilliseconds(400);
    private readonly ConcurrentDictionary<Jid, Account> _accounts = new();

    /// <summary>How many accounts this node holds.</summary>
    public int Count => _accounts.Count;

    /// <summary>The accounts that this node holds now.</summary>
    public IEnumerable<Account> All => _accounts.Values;

    /// <summary>The account if this node holds it now, or null.</summary>
    public Account? Local(Jid bare) => _accounts.TryGetValue(bare, out var account) && !account.Closed ? account : null;

    /// <summary>Finds the account of a bare JID of this server; it is made active where it is not.</summary>
    public ValueTask<Place> LocateAsync(Jid bare)
    {
        if (Local(bare) is { } account) return ValueTask.FromResult(new Place(account, null));
        return node.Links.Routes.Known(bare) is { } owner ? ValueTask.FromResult(new Place(null, owner)) : SearchAsync(bare, static grain => grain.ActivateAsync());
    }

    /// <summary>As <see cref="LocateAsync"/> without what was known before.</summary>
    public ValueTask<Place> SearchAsync(Jid bare) => SearchAsync(bare, static grain => grain.ActivateAsync());

    /// <summary>Finds the account for a device that logs in here: one that has no session elsewhere comes to this node.</summary>
    public ValueTask<Place> ForLoginAsync(Jid bare)
    {
        if (Local(bare) is { } account) return ValueTask.FromResult(new Place(account, null));
        var self = node.Links.Self;
        return SearchAsync(bare, grain => grain.ActivateForAsync(self));
    }

    private async ValueTask<Place> SearchAsync(Jid bare, Func<IAccountGrain, ValueTask<SiloAddress?>> ask)
    {
        if (bare.Local is null) return default;
        var started = node.Time.GetTimestamp();
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                if (await ask(grains.GetGrain<IAccountGrain>(bare.ToString())).ConfigureAwait(false) is not { } owner) return default;
                if (!owner.Equals(node.Links.Self)) return new Place(null, owner);
                if (Local(bare) is { } account) return new Place(account, null);
            }
            catch (Exception error) when (error is OrleansException or TimeoutException or OperationCanceledException && !node.Stopping && node.Time.GetElapsedTime(started) < Patience)
            {
                // The node that holds it, or knows who does, has just gone. Orleans cancels its own question to the directory's node then.
            }
            if (node.Time.GetElapsedTime(started) > Patience) throw new InvalidOperationException($"the account {bare} closes whenever it is opened");
            await Task.Delay(pause, node.Time).ConfigureAwait(false);
        }
    }

    /// <summary>Called by the grain.</summary>
    public void Enter(Account account) => _accounts[account.Jid] = account;

    /// <summary>Called by the grain.</summary>
    public void Leave(Account account) => _accounts.TryRemove(new KeyValuePair<Jid, Account>(account.Jid, account));

    /// <summary>Another node has claimed the account's log: nobody finds it here any more, and its grain goes.</summary>
    public void Lost(Account account)
    {
        Leave(account);
        _ = TellAsync(account, static grain => grain.ForgetAsync());
    }

    /// <summary>A session is attached: the grain stays until <see cref="Release"/>.</summary>
    public ValueTask HoldAsync(Account account) => grains.GetGrain<IAccountGrain>(account.Jid.ToString()).HoldAsync();

    /// <summary>The last session is gone: the grain may go when it is idle.</summary>
    public void Release(Account account) => _ = TellAsync(account, static grain => grain.ReleaseAsync());

    /// <summary>The account was deleted or changed in the database: let go of its state.</summary>
    public ValueTask ForgetAsync(Jid bare) => grains.GetGrain<IAccountGrain>(bare.ToString()).ForgetAsync();

    private async Task TellAsync(Account account, Func<IAccountGrain, ValueTask> tell)
    {
        try
        {
            await tell(grains.GetGrain<IAccountGrain>(account.Jid.ToString())).ConfigureAwait(false);
        }
        catch (Exception) { /* the silo is stopping: its grains go with it */ }
    }
}
