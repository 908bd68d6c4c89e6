using Indaba.Server.Accounts;
using Indaba.Server.Storage;
using Indaba.Xmpp.Stanzas;
using Xunit;

namespace Indaba.Server.Tests.Accounts;

/// <summary>The nine states of RFC 6121 appendix A.1.</summary>
public enum Standing { None, NoneOut, NoneIn, NoneOutIn, To, ToIn, From, FromOut, Both }

/// <summary>
/// Tables 2 to 9 of RFC 6121 appendix A, as they stand there: a row is existing state, whether the stanza goes on
/// (routed or delivered), and the new state.
/// </summary>
internal static class SubscriptionTables
{
    internal sealed record Row(Standing Old, bool Passes, Standing New, bool Approves = false, PresenceType? Reply = null);

    private static Row R(Standing old, string passes, Standing? @new = null, bool approves = false, PresenceType? reply = null) =>
        new(old, passes == "MUST", @new ?? old, approves, reply);

    /// <summary>Tables 2 to 5: what the user's own stanza does.</summary>
    public static readonly IReadOnlyDictionary<PresenceType, Row[]> Outbound = new Dictionary<PresenceType, Row[]>
    {
        [PresenceType.Subscribe] =
        [
            R(Standing.None, "MUST", Standing.NoneOut), R(Standing.NoneOut, "MUST"), R(Standing.NoneIn, "MUST", Standing.NoneOutIn),
            R(Standing.NoneOutIn, "MUST"), R(Standing.To, "MUST"), R(Standing.ToIn, "MUST"),
            R(Standing.From, "MUST", Standing.FromOut), R(Standing.FromOut, "MUST"), R(Standing.Both, "MUST"),
        ],
        [PresenceType.Unsubscribe] =
        [
            R(Standing.None, "MUST"), R(Standing.NoneOut, "MUST", Standing.None), R(Standing.NoneIn, "MUST"),
            R(Standing.NoneOutIn, "MUST", Standing.NoneIn), R(Standing.To, "MUST", Standing.None), R(Standing.ToIn, "MUST", Standing.NoneIn),
            R(Standing.From, "MUST"), R(Standing.FromOut, "MUST", Standing.From), R(Standing.Both, "MUST", Standing.From),
        ],
        [PresenceType.Subscribed] =
        [
            R(Standing.None, "M.N.", approves: true), R(Standing.NoneOut, "M.N.", approves: true), R(Standing.NoneIn, "MUST", Standing.From),
            R(Standing.NoneOutIn, "MUST", Standing.FromOut), R(Standing.To, "M.N.", approves: true), R(Standing.ToIn, "MUST", Standing.Both),
            R(Standing.From, "M.N."), R(Standing.FromOut, "M.N."), R(Standing.Both, "M.N."),
        ],
        [PresenceType.Unsubscribed] =
        [
            R(Standing.None, "S.N."), R(Standing.NoneOut, "S.N."), R(Standing.NoneIn, "MUST", Standing.None),
            R(Standing.NoneOutIn, "MUST", Standing.NoneOut), R(Standing.To, "S.N."), R(Standing.ToIn, "MUST", Standing.To),
            R(Standing.From, "MUST", Standing.None), R(Standing.FromOut, "MUST", Standing.NoneOut), R(Standing.Both, "MUST", Standing.To),
        ],
    };

    /// <summary>Tables 6 to 9: what the contact's stanza does.</summary>
    public static readonly IReadOnlyDictionary<PresenceType, Row[]> Inbound = new Dictionary<PresenceType, Row[]>
    {
        [PresenceType.Subscribe] =
        [
            R(Standing.None, "MUST", Standing.NoneIn), R(Standing.NoneOut, "MUST", Standing.NoneOutIn), R(Standing.NoneIn, "S.N."),
            R(Standing.NoneOutIn, "S.N."), R(Standing.To, "MUST", Standing.ToIn), R(Standing.ToIn, "S.N."),
            R(Standing.From, "S.N.", reply: PresenceType.Subscribed), R(Standing.FromOut, "S.N.", reply: PresenceType.Subscribed), R(Standing.Both, "S.N.", reply: PresenceType.Subscribed),
        ],
        [PresenceType.Unsubscribe] =
        [
            R(Standing.None, "S.N."), R(Standing.NoneOut, "S.N."), R(Standing.NoneIn, "MUST", Standing.None, reply: PresenceType.Unsubscribed),
            R(Standing.NoneOutIn, "MUST", Standing.NoneOut, reply: PresenceType.Unsubscribed), R(Standing.To, "S.N."), R(Standing.ToIn, "MUST", Standing.To, reply: PresenceType.Unsubscribed),
            R(Standing.From, "MUST", Standing.None, reply: PresenceType.Unsubscribed), R(Standing.FromOut, "MUST", Standing.NoneOut, reply: PresenceType.Unsubscribed),
            R(Standing.Both, "MUST", Standing.To, reply: PresenceType.Unsubscribed),
        ],
        [PresenceType.Subscribed] =
        [
            R(Standing.None, "S.N."), R(Standing.NoneOut, "MUST", Standing.To), R(Standing.NoneIn, "S.N."),
            R(Standing.NoneOutIn, "MUST", Standing.ToIn), R(Standing.To, "S.N."), R(Standing.ToIn, "S.N."),
            R(Standing.From, "S.N."), R(Standing.FromOut, "MUST", Standing.Both), R(Standing.Both, "S.N."),
        ],
        [PresenceType.Unsubscribed] =
        [
            R(Standing.None, "S.N."), R(Standing.NoneOut, "MUST", Standing.None), R(Standing.NoneIn, "S.N."),
            R(Standing.NoneOutIn, "MUST", Standing.NoneIn), R(Standing.To, "MUST", Standing.None), R(Standing.ToIn, "MUST", Standing.NoneIn),
            R(Standing.From, "S.N."), R(Standing.FromOut, "MUST", Standing.From), R(Standing.Both, "MUST", Standing.From),
        ],
    };

    /// <summary>A state as the server keeps it.</summary>
    public static SubscriptionState State(Standing standing, bool approved = false) => standing switch
    {
        Standing.None => new(Subscription.None, Approved: approved),
        Standing.NoneOut => new(Subscription.None, Ask: true, Approved: approved),
        Standing.NoneIn => new(Subscription.None, PendingIn: true, Approved: approved),
        Standing.NoneOutIn => new(Subscription.None, Ask: true, PendingIn: true, Approved: approved),
        Standing.To => new(Subscription.To, Approved: approved),
        Standing.ToIn => new(Subscription.To, PendingIn: true, Approved: approved),
        Standing.From => new(Subscription.From, Approved: approved),
        Standing.FromOut => new(Subscription.From, Ask: true, Approved: approved),
        _ => new(Subscription.Both, Approved: approved),
    };

    /// <summary>All cells of one side.</summary>
    public static IEnumerable<TheoryDataRow<PresenceType, Standing>> Cells(IReadOnlyDictionary<PresenceType, Row[]> tables) =>
        from table in tables from row in table.Value select new TheoryDataRow<PresenceType, Standing>(table.Key, row.Old);
}

public sealed class SubscriptionsTests
{
    public static IEnumerable<TheoryDataRow<PresenceType, Standing>> OutboundCells => SubscriptionTables.Cells(SubscriptionTables.Outbound);

    public static IEnumerable<TheoryDataRow<PresenceType, Standing>> InboundCells => SubscriptionTables.Cells(SubscriptionTables.Inbound);

    [Theory]
    [MemberData(nameof(OutboundCells))]
    public void Outbound_is_appendix_A_2(PresenceType type, Standing old)
    {
        var row = SubscriptionTables.Outbound[type].Single(r => r.Old == old);
        Assert.Equal(new OutboundStep(SubscriptionTables.State(row.New, row.Approves), row.Passes), Subscriptions.Outbound(type, SubscriptionTables.State(old)));
    }

    [Theory]
    [MemberData(nameof(InboundCells))]
    public void Inbound_is_appendix_A_3(PresenceType type, Standing old)
    {
        var row = SubscriptionTables.Inbound[type].Single(r => r.Old == old);
        Assert.Equal(new InboundStep(SubscriptionTables.State(row.New), row.Passes, row.Reply), Subscriptions.Inbound(type, SubscriptionTables.State(old)));
    }

    [Theory]
    [InlineData(Standing.None, Standing.From)]
    [InlineData(Standing.NoneOut, Standing.FromOut)]
    [InlineData(Standing.To, Standing.Both)]
    public void A_pre_approved_request_is_granted_without_asking(Standing old, Standing @new) =>
        Assert.Equal(new InboundStep(SubscriptionTables.State(@new), Deliver: false, PresenceType.Subscribed), Subscriptions.Inbound(PresenceType.Subscribe, SubscriptionTables.State(old, approved: true)));

    [Theory]
    [InlineData(Standing.None)]
    [InlineData(Standing.NoneOut)]
    [InlineData(Standing.To)]
    public void A_pre_approval_is_taken_back_without_a_word_to_the_contact(Standing old) =>
        Assert.Equal(new OutboundStep(SubscriptionTables.State(old), Route: false), Subscriptions.Outbound(PresenceType.Unsubscribed, SubscriptionTables.State(old, approved: true)));

    [Theory]
    [InlineData(PresenceType.Unsubscribed)]
    [InlineData(PresenceType.Unsubscribe)]
    [InlineData(PresenceType.Subscribed)]
    public void A_contact_cannot_take_back_a_pre_approval(PresenceType type) =>
        Assert.True(Subscriptions.Inbound(type, SubscriptionTables.State(Standing.To, approved: true)).State.Approved);
}
