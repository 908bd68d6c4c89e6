namespace Indaba.Server.Tests.Scenarios;

/// <summary>Whom a stanza is addressed to, and what that account has online.</summary>
public enum Target
{
    BareAbsent, FullAbsent,
    BareNone, BareConnected, BareOne, BareSeveral, BareNegative,
    FullMatch, FullMatchNegative, FullMatchConnected, FullNoneOnline, FullOther, FullOtherNegative,
}

/// <summary>The stanzas of the table: name and type.</summary>
public enum Kind
{
    MessageNormal, MessageChat, MessageGroupchat, MessageHeadline, MessageError,
    PresenceAvailable, PresenceUnavailable, PresenceSubscribe, PresenceSubscribed, PresenceUnsubscribe, PresenceUnsubscribed, PresenceProbe, PresenceError,
    IqGet, IqSet, IqResult, IqError,
}

/// <summary>
/// What RFC 6121 section 8.5 allows for each stanza and each target, as words: <c>ignore</c>, <c>error</c> (a stanza
/// error to the sender, service-unavailable), <c>store</c> (comes with the next login), <c>deliver:a,b</c> (to these
/// resources), <c>reply:type</c> (a stanza of this type to the sender). Several, where the RFC leaves the choice.
/// </summary>
internal static class RoutingRules
{
    /// <summary>The resources of the target: high (priority 5), low (1), negative (-1), one (0), connected (no presence), as the case has them.</summary>
    public static (string Resource, int? Priority)[] Resources(Target target) => target switch
    {
        Target.BareOne or Target.FullOther => [("one", 0)],
        Target.BareSeveral or Target.FullMatch => [("high", 5), ("low", 1), ("negative", -1)],
        Target.BareNegative or Target.FullMatchNegative or Target.FullOtherNegative => [("negative", -1)],
        Target.BareConnected or Target.FullMatchConnected => [("connected", null)],
        _ => [],
    };

    /// <summary>The resource in the address; null for a bare JID.</summary>
    public static string? AddressedResource(Target target) => target switch
    {
        Target.FullMatch => "low",
        Target.FullMatchNegative => "negative",
        Target.FullMatchConnected => "connected",
        Target.FullAbsent or Target.FullNoneOnline or Target.FullOther or Target.FullOtherNegative => "elsewhere",
        _ => null,
    };

    /// <summary>The outcomes allowed.</summary>
    public static string[] Allowed(Kind kind, Target target) => kind switch
    {
        >= Kind.IqGet => Iq(kind, target),
        >= Kind.PresenceAvailable => Presence(kind, target),
        _ => target switch
        {
            // 8.5.1: ignore or error; an error is never answered by an error (RFC 6120 section 8.3.1).
            Target.BareAbsent or Target.FullAbsent => kind == Kind.MessageError ? ["ignore"] : ["ignore", "error"],
            _ => AddressedResource(target) is null ? MessageToBare(kind, target) : MessageToFull(kind, target),
        },
    };

    // 8.5.2.1.1 and 8.5.2.2.1
    private static string[] MessageToBare(Kind kind, Target target) => (kind, target) switch
    {
        (Kind.MessageGroupchat, _) => ["error"],
        (Kind.MessageError, _) => ["ignore"],
        (Kind.MessageHeadline, Target.BareOne) => ["deliver:one"],
        (Kind.MessageHeadline, Target.BareSeveral) => ["deliver:high,low"],
        (Kind.MessageHeadline, _) => ["ignore"],
        (_, Target.BareOne) => ["deliver:one"],
        (_, Target.BareSeveral) => ["deliver:high", "deliver:high,low"],
        _ => ["store", "error"],
    };

    // 8.5.3.1 and 8.5.3.2.1
    private static string[] MessageToFull(Kind kind, Target target) => (kind, target) switch
    {
        (_, Target.FullMatch or Target.FullMatchNegative or Target.FullMatchConnected) => [$"deliver:{AddressedResource(target)}"],
        (Kind.MessageError, _) => ["ignore"],
        // The RFC wants this of chat only and lets normal be ignored; receipts and markers are of type normal, and a tick
        // must not get lost for a resource that is away a moment (docs/decisions/0001).
        (Kind.MessageChat or Kind.MessageNormal, Target.FullOther) => ["deliver:one"],
        (Kind.MessageChat or Kind.MessageNormal, _) => ["store"],
        _ => ["ignore", "error"],
    };

    private static string[] Presence(Kind kind, Target target)
    {
        var absent = target is Target.BareAbsent or Target.FullAbsent;
        var resources = Resources(target);
        var available = string.Join(',', resources.Where(r => r.Priority is not null).Select(r => r.Resource));
        var addressed = AddressedResource(target);
        switch (kind)
        {
            case Kind.PresenceAvailable or Kind.PresenceUnavailable:
                // 8.5.2.1.2: to all available resources; 8.5.3.1: to the one addressed; else never stored, never answered.
                if (target is Target.FullMatch or Target.FullMatchNegative or Target.FullMatchConnected) return [$"deliver:{addressed}"];
                return addressed is null && available.Length > 0 ? [$"deliver:{available}"] : ["ignore"];
            case Kind.PresenceSubscribe:
                // 3.1.3: to the available resources, and kept until it is answered; to nobody when there is no such account.
                if (absent) return ["ignore", "error", "reply:unsubscribed"];
                return available.Length > 0 ? [$"deliver:{available}", "deliver:high,low"] : ["store"];
            case Kind.PresenceSubscribed or Kind.PresenceUnsubscribe or Kind.PresenceUnsubscribed:
                // 3.1.6, 3.2.3, 3.3.3: without a subscription they mean nothing.
                return ["ignore"];
            case Kind.PresenceProbe:
                // 4.3.2: no subscription, so the answer is "unsubscribed", or none.
                return ["ignore", "reply:unsubscribed"];
            default:
                return addressed is null ? ["ignore", $"deliver:{available}"] : ["ignore", $"deliver:{addressed}"];
        }
    }

    // 8.5.1, 8.5.2.1.3, 8.5.2.2.3, 8.5.3.1, 8.5.3.2.3. Sender and target are strangers, so a request to a full JID may be refused.
    private static string[] Iq(Kind kind, Target target)
    {
        var matches = target is Target.FullMatch or Target.FullMatchNegative or Target.FullMatchConnected;
        if (kind is Kind.IqGet or Kind.IqSet) return matches ? [$"deliver:{AddressedResource(target)}", "error"] : ["error"];
        return matches ? [$"deliver:{AddressedResource(target)}"] : ["ignore"];
    }
}
