using Indaba.Server.Mailbox;

namespace Indaba.Server.Accounts;

/// <summary>How an append ended.</summary>
internal enum AppendEnd
{
    /// <summary>It is on disk.</summary>
    Committed,
    /// <summary>It is not, and will not be.</summary>
    Failed,
    /// <summary>Another node holds the account now: the entry must go there.</summary>
    Lost,
}

/// <summary>
/// One copy of a message on its way to the disk, in the log of one account. Only its end lets the sender's <c>h</c> move
/// and the devices see it.
/// </summary>
internal sealed class MessageAppend : Append
{
    private List<Action<AppendEnd>>? _followers;

    /// <summary>Whose log.</summary>
    public required Account Account { get; init; }
    /// <summary>Told the end, after the devices were offered the entry.</summary>
    public required Action<AppendEnd> Ended { get; init; }
    /// <summary>The key in the account's window, to forget if it fails.</summary>
    public UInt128? Key { get; init; }

    /// <summary>The same send came again while this one was on its way: it ends with this one. Under the account's lock.</summary>
    public void Follow(Action<AppendEnd> ended) => (_followers ??= []).Add(ended);

    /// <inheritdoc/>
    public override void Committed()
    {
        Account.EndAppend(Entry.Seq, committed: true);
        foreach (var session in Account.Sessions) session.Offer(Entry);
        Tell(AppendEnd.Committed);
    }

    /// <inheritdoc/>
    public override void Failed(Exception error)
    {
        if (Key is { } key) lock (Account.Lock) Account.Window.Forget(key);
        Account.EndAppend(Entry.Seq, committed: false);
        var lost = error is FencedException;
        if (lost) Account.Lose();
        Tell(lost ? AppendEnd.Lost : AppendEnd.Failed);
    }

    private void Tell(AppendEnd end)
    {
        Ended(end);
        if (_followers is null) return;
        foreach (var follower in _followers) follower(end);
    }
}
