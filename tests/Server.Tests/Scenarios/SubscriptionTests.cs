using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>The nine states of a subscription (RFC 6121 appendix A.1), as the user sees the contact.</summary>
public enum SubscriptionState { None, NonePendingOut, NonePendingIn, NonePendingOutIn, To, ToPendingIn, From, FromPendingOut, Both }

/// <summary>The stanzas that change it.</summary>
public enum SubscriptionStanza { Subscribe, Unsubscribe, Subscribed, Unsubscribed }

/// <summary>
/// The tables of RFC 6121 appendices A.2 and A.3. Each test brings two accounts into a state by the stanzas themselves
/// and lets one send one stanza more: its own item follows the table of outbound stanzas, the other's, whose state is
/// the mirror image, the table of inbound stanzas.
/// </summary>
public sealed class SubscriptionTests(ScenarioServer scenarios)
{
    public static IEnumerable<TheoryDataRow<SubscriptionState, SubscriptionStanza>> Cells =>
        from state in Enum.GetValues<SubscriptionState>()
        from stanza in Enum.GetValues<SubscriptionStanza>()
        select new TheoryDataRow<SubscriptionState, SubscriptionStanza>(state, stanza) { TestDisplayName = $"RFC 6121 A.2, A.3: {stanza} in state {state}" };

    [Theory]
    [MemberData(nameof(Cells))]
    public async Task Both_items_follow_the_tables(SubscriptionState state, SubscriptionStanza stanza)
    {
        var server = await scenarios.Shared;
        await using var romeo = await Login(server, await Accounts.New(server));
        await using var juliet = await Login(server, await Accounts.New(server));
        foreach (var (user, contact) in new[] { (romeo, juliet), (juliet, romeo) })
            await user.Request($"<iq type='set'><query xmlns='{Ns.Roster}'><item jid='{contact.BareJid}'/></query></iq>");
        await Bring(romeo, juliet, state);
        await Settle(romeo, juliet);

        await Say(romeo, juliet, stanza);
        await Settle(romeo, juliet);
        var delivered = juliet.Inbox.Any(e => IsFrom(e, romeo, stanza));

        var (routed, expected) = Outbound(state, stanza);
        var mirror = Mirror(state);
        var (shown, expectedMirror) = routed ? Inbound(mirror, stanza) : (false, mirror);
        Assert.Equal((expected, expectedMirror), (await StateOf(server, romeo, juliet), await StateOf(server, juliet, romeo)));
        // A stanza that changes nothing may be shown to the contact again or not.
        if (shown || expectedMirror != mirror || !routed) Assert.Equal(shown, delivered);
    }

    // Appendix A.2: whether the stanza is routed, and the new state.
    private static (bool Routed, SubscriptionState State) Outbound(SubscriptionState state, SubscriptionStanza stanza) => stanza switch
    {
        SubscriptionStanza.Subscribe => (true, state switch
        {
            SubscriptionState.None => SubscriptionState.NonePendingOut,
            SubscriptionState.NonePendingIn => SubscriptionState.NonePendingOutIn,
            SubscriptionState.From => SubscriptionState.FromPendingOut,
            _ => state,
        }),
        SubscriptionStanza.Unsubscribe => (true, WithoutTo(state)),
        SubscriptionStanza.Subscribed => state switch
        {
            SubscriptionState.NonePendingIn => (true, SubscriptionState.From),
            SubscriptionState.NonePendingOutIn => (true, SubscriptionState.FromPendingOut),
            SubscriptionState.ToPendingIn => (true, SubscriptionState.Both),
            _ => (false, state),
        },
        _ => (WithoutFrom(state) != state, WithoutFrom(state)),
    };

    // Appendix A.3: whether the stanza is delivered, and the new state.
    private static (bool Delivered, SubscriptionState State) Inbound(SubscriptionState state, SubscriptionStanza stanza) => stanza switch
    {
        SubscriptionStanza.Subscribe => state switch
        {
            SubscriptionState.None => (true, SubscriptionState.NonePendingIn),
            SubscriptionState.NonePendingOut => (true, SubscriptionState.NonePendingOutIn),
            SubscriptionState.To => (true, SubscriptionState.ToPendingIn),
            _ => (false, state),
        },
        SubscriptionStanza.Unsubscribe => (WithoutFrom(state) != state, WithoutFrom(state)),
        SubscriptionStanza.Subscribed => state switch
        {
            SubscriptionState.NonePendingOut => (true, SubscriptionState.To),
            SubscriptionState.NonePendingOutIn => (true, SubscriptionState.ToPendingIn),
            SubscriptionState.FromPendingOut => (true, SubscriptionState.Both),
            _ => (false, state),
        },
        _ => (WithoutTo(state) != state, WithoutTo(state)),
    };

    private static SubscriptionState WithoutTo(SubscriptionState state) => state switch
    {
        SubscriptionState.NonePendingOut or SubscriptionState.To => SubscriptionState.None,
        SubscriptionState.NonePendingOutIn or SubscriptionState.ToPendingIn => SubscriptionState.NonePendingIn,
        SubscriptionState.FromPendingOut or SubscriptionState.Both => SubscriptionState.From,
        _ => state,
    };

    private static SubscriptionState WithoutFrom(SubscriptionState state) => state switch
    {
        SubscriptionState.NonePendingIn or SubscriptionState.From => SubscriptionState.None,
        SubscriptionState.NonePendingOutIn or SubscriptionState.FromPendingOut => SubscriptionState.NonePendingOut,
        SubscriptionState.ToPendingIn or SubscriptionState.Both => SubscriptionState.To,
        _ => state,
    };

    private static SubscriptionState Mirror(SubscriptionState state) => state switch
    {
        SubscriptionState.NonePendingOut => SubscriptionState.NonePendingIn,
        SubscriptionState.NonePendingIn => SubscriptionState.NonePendingOut,
        SubscriptionState.To => SubscriptionState.From,
        SubscriptionState.ToPendingIn => SubscriptionState.FromPendingOut,
        SubscriptionState.From => SubscriptionState.To,
        SubscriptionState.FromPendingOut => SubscriptionState.ToPendingIn,
        _ => state,
    };

    /// <summary>Says what leads from None to a state.</summary>
    private static async Task Bring(WireClient romeo, WireClient juliet, SubscriptionState state)
    {
        if (state is SubscriptionState.To or SubscriptionState.ToPendingIn or SubscriptionState.Both) await Grant(romeo, juliet);
        if (state is SubscriptionState.From or SubscriptionState.FromPendingOut or SubscriptionState.Both) await Grant(juliet, romeo);
        if (state is SubscriptionState.NonePendingOut or SubscriptionState.NonePendingOutIn or SubscriptionState.FromPendingOut) await Ask(romeo, juliet);
        if (state is SubscriptionState.NonePendingIn or SubscriptionState.NonePendingOutIn or SubscriptionState.ToPendingIn) await Ask(juliet, romeo);
    }

    private static async Task Ask(WireClient from, WireClient to)
    {
        await Say(from, to, SubscriptionStanza.Subscribe);
        await to.Expect(e => IsFrom(e, from, SubscriptionStanza.Subscribe), "the request");
    }

    private static async Task Grant(WireClient from, WireClient to)
    {
        await Ask(from, to);
        await Say(to, from, SubscriptionStanza.Subscribed);
        await from.Expect(e => IsFrom(e, to, SubscriptionStanza.Subscribed), "the approval");
    }

    private static Task Say(WireClient from, WireClient to, SubscriptionStanza stanza) => from.Send($"<presence to='{to.BareJid}' type='{Kebab.Of(stanza)}'/>");

    private static bool IsFrom(Element e, WireClient sender, SubscriptionStanza stanza) => e.Is("presence", Ns.Client) && e["type"] == Kebab.Of(stanza) && e["from"] == sender.BareJid;

    /// <summary>Waits until all that both sent has been done at the other, and forgets nothing but what came before.</summary>
    private static async Task Settle(WireClient one, WireClient other)
    {
        one.ClearInbox();
        other.ClearInbox();
        foreach (var (from, to) in new[] { (one, other), (other, one) })
        {
            await from.Barrier();
            await from.Send(new Element("iq", Ns.Client).With("type", "result").With("id", "settle").With("to", to.Jid));
            await to.Expect(e => e["id"] == "settle", "the last stanza");
        }
    }

    private static async Task<WireClient> Login(TestServer server, string account)
    {
        var client = await WireClient.Login(server, account, "r");
        await client.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        await client.Appear();
        return client;
    }

    /// <summary>The state as the roster and a new login show it: a pending request is repeated then (section 3.1.3).</summary>
    private static async Task<SubscriptionState> StateOf(TestServer server, WireClient user, WireClient contact)
    {
        var roster = await user.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        var item = roster.Child("query", Ns.Roster)!.Elements.Single(e => e["jid"] == contact.BareJid);
        await using var next = await WireClient.Login(server, user.BareJid.Split('@')[0], "next");
        await next.Appear();
        await next.Barrier();
        var pendingIn = next.Inbox.Any(e => IsFrom(e, contact, SubscriptionStanza.Subscribe));
        var pendingOut = item["ask"] == "subscribe";
        return (item["subscription"], pendingOut, pendingIn) switch
        {
            ("none", false, false) => SubscriptionState.None,
            ("none", true, false) => SubscriptionState.NonePendingOut,
            ("none", false, true) => SubscriptionState.NonePendingIn,
            ("none", true, true) => SubscriptionState.NonePendingOutIn,
            ("to", false, false) => SubscriptionState.To,
            ("to", false, true) => SubscriptionState.ToPendingIn,
            ("from", false, false) => SubscriptionState.From,
            ("from", true, false) => SubscriptionState.FromPendingOut,
            ("both", false, false) => SubscriptionState.Both,
            var other => throw new WireException($"no state of the RFC: {other} in {item}"),
        };
    }
}
