using Indaba.Server.Mailbox;
using Indaba.Server.Sessions;
using Indaba.Xmpp.Stanzas;

namespace Indaba.Server.Accounts;

/// <summary>
/// One message on its way to the disk: the recipient's entry and the sender's. Only the end of both lets the
/// sender's <c>h</c> move and the devices see it.
/// </summary>
internal sealed class MessageAppend
{
    private List<(Session Session, InboxItem Item, Action<StanzaCondition> Fail)>? _followers;
    private int _left;
    private volatile bool _failed;

    public required LogEntry First { get; init; }
    public LogEntry? Second { get; init; }
    /// <summary>The account of <see cref="First"/>.</summary>
    public required Account FirstAccount { get; init; }
    /// <summary>The account of <see cref="Second"/>, or null.</summary>
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

    /// <summary>Sends both on their way.</summary>
    public void Enqueue(MailboxLog log)
    {
        _left = Second is null ? 1 : 2;
        log.Enqueue(new Half(this, FirstAccount, FirstKey) { Entry = First, Epoch = FirstAccount.Epoch });
        if (Second is not null) log.Enqueue(new Half(this, SecondAccount!, SecondKey) { Entry = Second, Epoch = SecondAccount!.Epoch });
    }

    /// <summary>The same send came again while this one was on its way: it ends with this one.</summary>
    public void Follow(Session session, InboxItem item, Action<StanzaCondition> fail) => (_followers ??= []).Add((session, item, fail));

    private void HalfEnded()
    {
        if (Interlocked.Decrement(ref _left) > 0) return;
        if (_failed)
        {
            Fail(StanzaCondition.ResourceConstraint);
            foreach (var follower in _followers ?? []) follower.Fail(StanzaCondition.ResourceConstraint);
        }
        if (Origin is not null && Item is not null) Origin.Inbox.Complete(Item);
        if (_followers is null) return;
        foreach (var (session, item, _) in _followers) session.Inbox.Complete(item);
    }

    private sealed class Half(MessageAppend whole, Account account, UInt128? key) : Append
    {
        public override void Committed()
        {
            account.EndAppend(Entry.Seq, committed: true);
            foreach (var session in account.Sessions) session.Offer(Entry);
            whole.HalfEnded();
        }

        public override void Failed(Exception error)
        {
            lock (account.Lock) if (key is { } k) account.Window.Forget(k);
            account.EndAppend(Entry.Seq, committed: false);
            whole._failed = true;
            whole.HalfEnded();
        }
    }
}
