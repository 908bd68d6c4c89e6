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
    /// The plan for a message. Stored: by type (XEP-0160 section 3: normal and chat, but not what carries only a chat
    /// state), unless a hint says otherwise (XEP-0334; hints in errors count for nothing). Copied: XEP-0280 section 6.1.
    /// </summary>
    public static StorePlan Of(Message message)
    {
        var traits = Read(message.Element);
        var plan = new StorePlan { Copy = IsCopied(message.Type, traits) };
        if (message.Type is MessageType.Error or MessageType.Groupchat || traits.HasFlag(Traits.NoStore)) return plan;
        plan.Store = traits.HasFlag(Traits.Store) || (traits.HasFlag(Traits.Content) && message.Type != MessageType.Headline);
        plan.Archive = plan.Store && !traits.HasFlag(Traits.NoPermanentStore);
        return plan;
    }

    /// <summary>The flags of the entry in a log.</summary>
    public EntryFlags Flags(Direction direction) =>
        (Archive ? EntryFlags.Archived : 0) | (direction == Direction.In ? EntryFlags.Pending : 0) | (Copy ? 0 : EntryFlags.Private);

    /// <summary>True when the <c>x</c> of muc#user in a message invites to a room or declines (XEP-0045 section 7.8.2): no message between occupants.</summary>
    public static bool IsInvitation(Element x) => x.Child("invite", Ns.MucUser) is not null || x.Child("decline", Ns.MucUser) is not null;

    /// <summary>Section 6.1 of XEP-0280. What an error answers is not seen here: see the module Carbons.</summary>
    private static bool IsCopied(MessageType type, Traits traits)
    {
        if (type is MessageType.Groupchat or MessageType.Error || (traits & (Traits.Private | Traits.NoCopy)) != 0) return false;
        return type == MessageType.Chat || (type == MessageType.Normal && traits.HasFlag(Traits.Body)) || (traits & (Traits.Im | Traits.Invitation)) != 0;
    }

    private static Traits Read(Element message)
    {
        var traits = Traits.None;
        var nodes = message.Nodes;
        for (var i = 0; i < nodes.Count; i++) if (nodes[i] is Element child) traits |= TraitsOf(child);
        return traits;
    }

    private static Traits TraitsOf(Element child) => child.Namespace switch
    {
        Ns.Client => child.Name switch { "thread" => Traits.None, "body" => Traits.Content | Traits.Body, _ => Traits.Content },
        Ns.ChatStates => Traits.Im,
        Ns.Receipts or Ns.ChatMarkers => Traits.Content | Traits.Im,
        Ns.StanzaIds or Ns.Delay => Traits.None,
        Ns.Hints => child.Name switch
        {
            "no-store" => Traits.NoStore,
            "no-permanent-store" => Traits.NoPermanentStore,
            "store" => Traits.Store,
            "no-copy" => Traits.NoCopy,
            _ => Traits.None,
        },
        Ns.Carbons => child.Name == "private" ? Traits.Private : Traits.Content,
        Ns.Conference => Traits.Content | Traits.Invitation,
        Ns.MucUser => IsInvitation(child) ? Traits.Content | Traits.Invitation : Traits.Content,
        _ => Traits.Content,
    };

    [Flags]
    private enum Traits
    {
        None = 0,
        /// <summary>Anything that has meaning beyond the moment.</summary>
        Content = 1,
        Body = 2,
        /// <summary>Payloads "typically used in IM" (XEP-0184, XEP-0085, XEP-0333).</summary>
        Im = 4,
        /// <summary>To a room, direct (XEP-0249) or by it (XEP-0045).</summary>
        Invitation = 8,
        NoStore = 16,
        NoPermanentStore = 32,
        Store = 64,
        NoCopy = 128,
        Private = 256,
    }
}
