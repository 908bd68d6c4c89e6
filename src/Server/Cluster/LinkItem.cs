namespace Indaba.Server.Cluster;

/// <summary>What an item of a link is. The numbers go over the wire between releases: never change one, only add.</summary>
internal enum LinkKind : byte
{
    /// <summary>How an earlier item of the other direction ended.</summary>
    Answer = 1,
    /// <summary>A message for an account: delivered by its owner, answered when it is on disk.</summary>
    Message = 2,
    /// <summary>An iq for an account or one of its resources; answered with the result of the account's own handlers.</summary>
    Iq = 3,
    /// <summary>A directed presence, or a probe.</summary>
    Presence = 4,
    /// <summary>A subscription stanza (RFC 6121 section 3) that has come for a user.</summary>
    Subscription = 5,
    /// <summary>A subscription stanza to be sent on a user's behalf.</summary>
    Subscribe = 6,
    /// <summary>The account's sessions must end.</summary>
    EndSessions = 7,
    /// <summary>A stanza for one session, by its full JID; not answered.</summary>
    ToSession = 8,
    /// <summary>One presence for many accounts, of which the node serves those that it holds; not answered.</summary>
    Fanout = 9,
    /// <summary>A device that this node serves as a gateway, for the node that holds its account.</summary>
    RelayOpen = 10,
    /// <summary>First-level elements of a relayed stream.</summary>
    RelayData = 11,
    /// <summary>So many bytes of a relayed stream were dealt with.</summary>
    RelayCredit = 12,
    /// <summary>A relayed stream has ended.</summary>
    RelayEnd = 13,
    /// <summary>A question of an operator's to the node itself.</summary>
    Ask = 14,
    /// <summary>A contact's account is removed: the user's roster keeps its name and nothing else.</summary>
    ContactRemoved = 15,
}

/// <summary>How an item ended.</summary>
internal enum LinkStatus : byte
{
    /// <summary>It is done: for a message, on disk.</summary>
    Done = 0,
    /// <summary>The account is not at this node (any more).</summary>
    NotHere = 1,
    /// <summary>Refused; the payload is the stanza error's element.</summary>
    Refused = 2,
    /// <summary>There is no such account.</summary>
    NoAccount = 3,
    /// <summary>It could not be done.</summary>
    Failed = 4,
}

/// <summary>Something that goes over a link. One that waits for an answer gets exactly one of <see cref="Answered"/> and <see cref="Broken"/>.</summary>
internal abstract class LinkItem
{
    /// <summary>What it is.</summary>
    public abstract LinkKind Kind { get; }
    /// <summary>True when the other side answers it.</summary>
    public virtual bool IsAnswered => false;
    /// <summary>Writes all but the kind and the number.</summary>
    public abstract void Write(LinkWriter to);
    /// <summary>The other side has answered. Never blocks.</summary>
    public virtual void Answered(LinkStatus status, ReadOnlyMemory<byte> payload) { }
    /// <summary>The other node is gone and has not answered: nobody knows whether it was done. Never blocks.</summary>
    public virtual void Broken() { }
}

/// <summary>An item whose bytes are known already.</summary>
internal sealed class RawItem(LinkKind kind, Action<LinkWriter> write) : LinkItem
{
    public override LinkKind Kind => kind;
    public override void Write(LinkWriter to) => write(to);
}
