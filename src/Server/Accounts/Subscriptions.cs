using Indaba.Server.Storage;
using Indaba.Xmpp.Stanzas;

namespace Indaba.Server.Accounts;

/// <summary>
/// Where a user and a contact stand, from the user's side: the nine states of RFC 6121 appendix A.1 (subscription, ask for
/// "Pending Out", PendingIn) and the pre-approval of section 3.4.
/// </summary>
internal readonly record struct SubscriptionState(Subscription Subscription, bool Ask = false, bool PendingIn = false, bool Approved = false)
{
    /// <summary>The user gets the contact's presence.</summary>
    public bool HasTo => (Subscription & Subscription.To) != 0;
    /// <summary>The contact gets the user's presence.</summary>
    public bool HasFrom => (Subscription & Subscription.From) != 0;
}

/// <summary>What a stanza of the user does: the new state, and whether it goes on to the contact.</summary>
internal readonly record struct OutboundStep(SubscriptionState State, bool Route);

/// <summary>What a stanza of the contact does: the new state, whether the user's clients see it, and what the server answers on the user's behalf.</summary>
internal readonly record struct InboundStep(SubscriptionState State, bool Deliver, PresenceType? Reply = null);

/// <summary>The state machine of presence subscriptions: RFC 6121 appendix A.2 and A.3, section 3.4.</summary>
internal static class Subscriptions
{
    /// <summary>True for the four types that manage subscriptions.</summary>
    public static bool Manages(PresenceType type) =>
        type is PresenceType.Subscribe or PresenceType.Subscribed or PresenceType.Unsubscribe or PresenceType.Unsubscribed;

    /// <summary>A stanza from the user to the contact (appendix A.2).</summary>
    public static OutboundStep Outbound(PresenceType type, SubscriptionState s) => type switch
    {
        PresenceType.Subscribe => new(s.HasTo ? s : s with { Ask = true }, Route: true),
        PresenceType.Unsubscribe => new(s with { Subscription = s.Subscription & ~Subscription.To, Ask = false }, Route: true),
        PresenceType.Subscribed when s.PendingIn => new(Grant(s), Route: true),
        PresenceType.Subscribed => new(s.HasFrom ? s : s with { Approved = true }, Route: false),
        PresenceType.Unsubscribed => new(
            s with { Subscription = s.Subscription & ~Subscription.From, PendingIn = false, Approved = false }, Route: s.PendingIn || s.HasFrom),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    /// <summary>A stanza from the contact to the user (appendix A.3). A pre-approval is used up by the request that it answers (section 3.4.2 leaves it to us).</summary>
    public static InboundStep Inbound(PresenceType type, SubscriptionState s) => type switch
    {
        PresenceType.Subscribe when s.HasFrom => new(s, Deliver: false, PresenceType.Subscribed),
        PresenceType.Subscribe when s.Approved => new(Grant(s), Deliver: false, PresenceType.Subscribed),
        PresenceType.Subscribe => new(s with { PendingIn = true }, Deliver: !s.PendingIn),
        PresenceType.Unsubscribe when s.PendingIn || s.HasFrom => new(
            s with { Subscription = s.Subscription & ~Subscription.From, PendingIn = false }, Deliver: true, PresenceType.Unsubscribed),
        PresenceType.Subscribed when s is { Ask: true, HasTo: false } => new(
            s with { Subscription = s.Subscription | Subscription.To, Ask = false }, Deliver: true),
        PresenceType.Unsubscribed when s.Ask || s.HasTo => new(
            s with { Subscription = s.Subscription & ~Subscription.To, Ask = false }, Deliver: true),
        PresenceType.Unsubscribe or PresenceType.Subscribed or PresenceType.Unsubscribed => new(s, Deliver: false),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    private static SubscriptionState Grant(SubscriptionState s) =>
        s with { Subscription = s.Subscription | Subscription.From, PendingIn = false, Approved = false };
}
