using Indaba.Server.Streams;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;
using Orleans.Concurrency;
using Orleans.Placement;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace Indaba.Server.Accounts;

/// <summary>Which node holds an account: the placement of its state. The key is the bare JID. Not a message transport.</summary>
internal interface IAccountGrain : IGrainWithStringKey
{
    /// <summary>Loads the account into the registry of the grain's node and tells which that is; null when there is no such account.</summary>
    ValueTask<SiloAddress?> ActivateAsync();
    /// <summary>As <see cref="ActivateAsync"/> for a device that has come in at a node: an account without sessions goes there.</summary>
    ValueTask<SiloAddress?> ActivateForAsync(SiloAddress node);
    /// <summary>A session is attached: do not deactivate.</summary>
    ValueTask HoldAsync();
    /// <summary>The last session is gone.</summary>
    ValueTask ReleaseAsync();
    /// <summary>The account changed in the database: let go of the state once its work has ended.</summary>
    ValueTask ForgetAsync();
}

/// <summary>Owns the <see cref="Account"/> of one bare JID: loads it, publishes it in <see cref="LocalAccounts"/>, withdraws it.</summary>
[Reentrant]
[PreferLocalPlacement]
internal sealed class AccountGrain(Node node) : Grain, IAccountGrain
{
    private static readonly TimeSpan Forever = TimeSpan.FromDays(365);
    private Account? _account;

    /// <inheritdoc/>
    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (!Jid.TryParse(this.GetPrimaryKeyString(), out var jid) || jid.Local is null) return;
        var row = await node.AccountRows.FindAsync(jid.Local, jid.Domain, cancellationToken);
        if (row is null or { Disabled: true }) return;
        _account = new Account(node, row, await node.Mailbox.OpenAsync(row.Id, SendWindow.Size, cancellationToken));
        node.Accounts.Enter(_account);
    }

    /// <inheritdoc/>
    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (_account is null) return;
        // Held grains are not collected; should one go all the same, its devices log in again rather than sit with an account that nobody finds.
        foreach (var session in _account.Sessions) await session.EndAsync(notifyPeers: false, new StreamClosing(StreamCondition.Reset));
        await LetGoAsync(_account);
    }

    /// <summary>What was begun is committed, and what the devices have acked is on disk, before another node reads it.</summary>
    private async Task LetGoAsync(Account account)
    {
        await account.CloseAsync();
        if (node.InCluster) await node.Mailbox.Cursors.FlushAsync();
        node.Accounts.Leave(account);
    }

    /// <inheritdoc/>
    public ValueTask<SiloAddress?> ActivateAsync()
    {
        if (_account is { Closed: false }) return ValueTask.FromResult<SiloAddress?>(node.Links.Self);
        DeactivateOnIdle(); // no such account, or on its way out: the next call looks again
        return ValueTask.FromResult(_account is null ? null : node.Links.Self);
    }

    /// <inheritdoc/>
    public ValueTask<SiloAddress?> ActivateForAsync(SiloAddress other)
    {
        if (_account is { Closed: false, Sessions.Length: 0 } && !other.Equals(node.Links.Self))
        {
            // What is under way here is committed before it goes; the caller asks again and finds it at its own node.
            RequestContext.Set(IPlacementDirector.PlacementHintKey, other);
            MigrateOnIdle();
            return LeaveForAsync(other);
        }
        return ActivateAsync();
    }

    private async ValueTask<SiloAddress?> LeaveForAsync(SiloAddress other)
    {
        await LetGoAsync(_account!);
        return other;
    }

    /// <inheritdoc/>
    public ValueTask HoldAsync()
    {
        DelayDeactivation(Forever);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask ReleaseAsync()
    {
        if (_account is { Sessions.Length: 0 }) DelayDeactivation(TimeSpan.Zero);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask ForgetAsync()
    {
        DeactivateOnIdle();
        return ValueTask.CompletedTask;
    }
}
