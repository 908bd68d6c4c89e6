using Indaba.Server.Routing;
using Indaba.Server.Sessions;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>
/// A message that a client sent, until all its copies are on disk: only then does the sender's <c>h</c> move. Each part
/// (the recipient's copy, the sender's own) is begun and ended once; whoever made the object ends the first.
/// </summary>
internal sealed class Dispatch(Session origin, InboxItem item, Element stanza)
{
    private int _open = 1;
    private StanzaError? _error;

    /// <summary>The session that sent it.</summary>
    public Session Origin => origin;

    /// <summary>One more part is on its way.</summary>
    public void Begin() => Interlocked.Increment(ref _open);

    /// <summary>A part has ended; an error is told to the sender once, when all have.</summary>
    public void End(StanzaError? error = null)
    {
        if (error is not null) Interlocked.CompareExchange(ref _error, error, null);
        if (Interlocked.Decrement(ref _open) != 0) return;
        if (_error is not null) Router.Reply(origin, stanza, _error);
        origin.Inbox.Complete(item);
    }

    /// <summary>The sender's own copy has ended. When its account was lost to another node nothing more is acked: the client sends again, there.</summary>
    public void EndOwn(AppendEnd end)
    {
        if (end != AppendEnd.Lost) End(end == AppendEnd.Failed ? StanzaError.Of(StanzaCondition.ResourceConstraint) : null);
    }
}
