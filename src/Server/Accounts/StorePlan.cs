using Indaba.Server.Mailbox;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>
/// What becomes of a message beside being delivered: hooks of the stages Sending and Delivering may change it for the
/// account whose stage runs.
/// </summary>
internal sealed class StorePlan
{
    /// <summary>Committed before the ack and kept until the devices have it. What is not, is delivered to who is there and then forgotten.</summary>
    public bool Store { get; set; }
    /// <summary>Shown by the archive (XEP-0313).</summary>
    public bool Archive { get; set; }
    /// <summary>Copied to other devices (XEP-0280).</summary>
    public bool Copy { get; set; }

    /// <summary>
    /// The plan for a message: hints first (XEP-0334), then everything but what has meaning only in the moment, that is
    /// headlines, errors, groupchat, and messages that carry nothing but a chat state (XEP-0085; XEP-0160 section 3).
    /// </summary>
    public static StorePlan Of(Message message)
    {
        var e = message.Element;
        var plan = new StorePlan { Copy = IsCopied(message) };
        if (message.Type is MessageType.Groupchat or MessageType.Headline or MessageType.Error) return plan;
        if (e.Child("no-store", Ns.Hints) is not null) return plan;
        var forever = e.Child("no-permanent-store", Ns.Hints) is null;
        plan.Store = e.Child("store", Ns.Hints) is not null || HasContent(e);
        plan.Archive = plan.Store && forever;
        return plan;
    }

    /// <summary>The flags of the entry in a log.</summary>
    public EntryFlags Flags(Direction direction) =>
        (Archive ? EntryFlags.Archived : 0) | (direction == Direction.In ? EntryFlags.Pending : 0) | (Copy ? 0 : EntryFlags.Private);

    private static bool HasContent(Element message)
    {
        foreach (var child in message.Elements)
        {
            if (child.Namespace is Ns.ChatStates or Ns.Hints or Ns.StanzaIds or Ns.Delay) continue;
            if (child.Is("thread", Ns.Client)) continue;
            return true;
        }
        return false;
    }

    /// <summary>XEP-0280 section 6.1: chats; of type normal what has a body or tells of a chat; never private or no-copy.</summary>
    private static bool IsCopied(Message message)
    {
        var e = message.Element;
        if (message.Type is MessageType.Groupchat or MessageType.Headline or MessageType.Error) return false;
        if (e.Child("private", Ns.Carbons) is not null || e.Child("no-copy", Ns.Hints) is not null) return false;
        if (message.Type == MessageType.Chat || e.Child("body", Ns.Client) is not null) return true;
        return e.ChildOf(Ns.Receipts) is not null || e.ChildOf(Ns.ChatMarkers) is not null || e.ChildOf(Ns.ChatStates) is not null;
    }
}
