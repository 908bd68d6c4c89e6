using Indaba.Server.Mailbox;
using Indaba.Server.Sessions;
using Indaba.Xmpp.Stanzas;

namespace Indaba.Server.Accounts;

/// <summary>
/// One message on its way to the disk: the recipient's entry and the sender's, committed together. Only its end lets the
/// sender's <c>h</c> move and the devices see it.
/// </summary>
internal sealed class MessageAppend : Append
{
    private List<(Session Session, InboxItem Item, Action<StanzaCondition> Fail)>? _followers;

    /// <summary>The account of <see cref="Append.First"/>.</summary>
    public required Account FirstAccount { get; init; }
    /// <summary>The account of <see cref="Append.Second"/>, or null.</summary>
    public Account? SecondAccount { get; init; }
    /// <summary>The session that sent it, or null for the server itself.</summary>
    public Session? Origin { get; init; }
    /// <summary>The sender's place in its order of work.</summary>
    public InboxItem? Item { get; init; }
    /// <summary>How a failure is told to the sender.</summary>
    public required Action<StanzaCondition> Fail { get; init; }
    /// <summary>The window keys to forget if it fails: of the first and second account.</summary>
    public UInt128? FirstKey { get; init; }
    public UInt128? SecondKey { get; init; }

    /// <summary>The same send came again while this one was on its way: it ends with this one.</summary>
    public void Follow(Session session, InboxItem item, Action<StanzaCondition> fail) => (_followers ??= []).Add((session, item, fail));

    /// <inheritdoc/>
    public override void Committed()
    {
        End(committed: true);
        foreach (var session in FirstAccount.Sessions) session.Offer(First);
        if (SecondAccount is not null) foreach (var session in SecondAccount.Sessions) session.Offer(Second!);
        Finish();
    }

    /// <inheritdoc/>
    public override void Failed(Exception error)
    {
        lock (FirstAccount.Lock) if (FirstKey is { } key) FirstAccount.Window.Forget(key);
        if (SecondAccount is not null) lock (SecondAccount.Lock) if (SecondKey is { } key) SecondAccount.Window.Forget(key);
        End(committed: false);
        Fail(StanzaCondition.ResourceConstraint);
        foreach (var follower in _followers ?? []) follower.Fail(StanzaCondition.ResourceConstraint);
        Finish();
    }

    private void End(bool committed)
    {
        FirstAccount.EndAppend(First.Seq, committed);
        SecondAccount?.EndAppend(Second!.Seq, committed);
    }

    private void Finish()
    {
        if (Origin is not null && Item is not null) Origin.Inbox.Complete(Item);
        if (_followers is null) return;
        foreach (var (session, item, _) in _followers) session.Inbox.Complete(item);
    }
}
