using Indaba.Server.Streams;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp;
using Orleans.Concurrency;
using Orleans.Placement;

namespace Indaba.Server.Accounts;

/// <summary>Which node holds an account: the placement of its state. The key is the bare JID. Not a message transport.</summary>
internal interface IAccountGrain : IGrainWithStringKey
{
    /// <summary>Loads the account into the registry of the grain's node; false when there is no such account.</summary>
    ValueTask<bool> ActivateAsync();
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
        var head = await node.Mailbox.OpenAsync(row.Id, SendWindow.Size, cancellationToken);
        _account = new Account(node, row, head.LastSeq, head.Cursors, head.Tail) { Epoch = head.Epoch };
        node.Accounts.Enter(_account);
    }

    /// <inheritdoc/>
    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (_account is null) return;
        // Held grains are not collected; should one go all the same, its devices log in again rather than sit with an account that nobody finds.
        foreach (var session in _account.Sessions) await session.EndAsync(notifyPeers: false, new StreamClosing(StreamCondition.Reset));
        await _account.CloseAsync(); // what was begun is committed before anybody else may give positions
        node.Accounts.Leave(_account);
    }

    /// <inheritdoc/>
    public ValueTask<bool> ActivateAsync()
    {
        if (_account is { Closed: false }) return ValueTask.FromResult(true);
        DeactivateOnIdle(); // no such account, or on its way out: the next call looks again
        return ValueTask.FromResult(_account is not null);
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
