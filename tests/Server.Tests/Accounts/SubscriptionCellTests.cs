using System.Text;
using Indaba.Server.Accounts;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Accounts;

/// <summary>
/// The cells of RFC 6121 appendix A at the wire and in the database: the new state, the push, what the other side sees.
/// </summary>
public sealed class SubscriptionCellTests(NodeFixture fixture) : IClassFixture<NodeFixture>
{
    private readonly RunningNode _server = fixture.Server;

    public static IEnumerable<TheoryDataRow<PresenceType, Standing>> OutboundCells => SubscriptionsTests.OutboundCells;

    public static IEnumerable<TheoryDataRow<PresenceType, Standing>> InboundCells => SubscriptionsTests.InboundCells;

    [Theory]
    [MemberData(nameof(OutboundCells))]
    public async Task What_a_user_sends(PresenceType type, Standing old)
    {
        var row = SubscriptionTables.Outbound[type].Single(r => r.Old == old);
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await Put(user, contact, SubscriptionTables.State(old));
        // The contact stands so that whatever is routed is also delivered to it.
        if (type != PresenceType.Subscribe) await Put(contact, user, SubscriptionTables.State(type switch
        {
            PresenceType.Unsubscribe => Standing.From,
            PresenceType.Subscribed => Standing.NoneOut,
            _ => Standing.To,
        }));
        await using var other = await Interested(contact);
        if (type == PresenceType.Subscribe) await other.Appear();
        await using var own = await Interested(user);

        await own.Send($"<presence to='{contact}/somewhere' id='s1' type='{Kebab.Of(type)}'/>"); // section 3.1.2 rule 1: meant for the bare address
        await own.Barrier();
        if (row.Passes)
        {
            var stanza = await other.Expect(e => e.Name == "presence" && e["type"] == Kebab.Of(type), "what was routed");
            Assert.Equal((user.ToString(), contact.ToString(), "s1"), (stanza["from"], stanza["to"], stanza["id"]));
        }
        await other.Barrier();
        Assert.DoesNotContain(other.Inbox, e => e.Name == "presence" && e["from"] == user.ToString());
        await CheckUser(own, user, contact, SubscriptionTables.State(old), SubscriptionTables.State(row.New, row.Approves));
    }

    [Theory]
    [MemberData(nameof(InboundCells))]
    public async Task What_a_contact_sends(PresenceType type, Standing old)
    {
        var row = SubscriptionTables.Inbound[type].Single(r => r.Old == old);
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await Put(user, contact, SubscriptionTables.State(old));
        // The contact stands so that what it sends is routed.
        if (type != PresenceType.Subscribe) await Put(contact, user, SubscriptionTables.State(type switch
        {
            PresenceType.Unsubscribe => Standing.To,
            PresenceType.Subscribed => Standing.NoneIn,
            _ => Standing.From,
        }));
        await using var own = await Interested(user);
        await own.Appear();
        await own.Barrier();
        own.ClearInbox(); // a request that waited has been shown
        await using var other = await Interested(contact);

        await other.Send($"<presence to='{user}' id='s1' type='{Kebab.Of(type)}'><status>Why</status></presence>");
        await other.Barrier();
        if (row.Passes)
        {
            var stanza = await own.Expect(e => e.Name == "presence" && e["type"] == Kebab.Of(type), "what was delivered");
            Assert.Equal((contact.ToString(), user.ToString(), "Why"), (stanza["from"], stanza["to"], stanza.ChildText("status", Ns.Client)));
        }
        if (row.Reply == PresenceType.Subscribed)
            await other.Expect(e => e.Name == "presence" && e["type"] == "subscribed" && e["from"] == user.ToString(), "the server's answer");
        await own.Barrier();
        Assert.DoesNotContain(own.Inbox, e => e.Name == "presence" && e["from"] == contact.ToString());
        await CheckUser(own, user, contact, SubscriptionTables.State(old), SubscriptionTables.State(row.New));
    }

    [Fact]
    public async Task A_request_of_a_stranger_makes_no_item_and_its_denial_leaves_nothing()
    {
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await using var own = await Interested(user);
        await own.Appear();
        await using var other = await Interested(contact);
        await other.Send($"<presence to='{user}' type='subscribe'/>");
        await own.Expect(e => e["type"] == "subscribe", "the request");
        Assert.NotNull((await _server.Stored(user, contact))!.PendingIn);
        Assert.Empty((await own.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>")).FirstChild!.Elements);
        await own.Send($"<presence to='{contact}' type='unsubscribed'/>");
        await other.Expect(e => e.Name == "presence" && e["type"] == "unsubscribed", "the denial");
        await own.Barrier();
        Assert.DoesNotContain(own.Inbox, e => e.Name == "iq" && e["type"] == "set");
        Assert.Null(await _server.Stored(user, contact));
    }

    [Fact]
    public async Task A_request_waits_through_a_restart_and_is_shown_to_each_new_resource_until_it_is_answered()
    {
        var server = await RunningNode.StartNew();
        try
        {
            var (user, contact) = (await server.NewAccount("user"), await server.NewAccount("contact"));
            await using (var other = await WireClient.Login(server, contact.Local!, "a"))
            {
                await other.Send($"<presence to='{user}' type='subscribe'><status>Let me in</status><nick xmlns='http://jabber.org/protocol/nick'>N</nick></presence>");
                await other.Barrier();
                await other.Send($"<presence to='{user}' type='subscribe'><status>Again</status></presence>");
                await other.Barrier();
            }
            await server.StopNode();
            await server.StartNode();
            foreach (var resource in new[] { "one", "two" })
            {
                await using var own = await WireClient.Login(server, user.Local!, resource);
                await own.Appear();
                var request = await own.Expect(e => e["type"] == "subscribe", "the request");
                Assert.Equal(("Let me in", "N"), (request.ChildText("status", Ns.Client), request.ChildText("nick", "http://jabber.org/protocol/nick")));
                await own.Barrier();
                Assert.DoesNotContain(own.Inbox, e => e["type"] == "subscribe");
                if (resource == "two") await own.Send($"<presence to='{contact}' type='subscribed'/>");
                await own.Barrier();
            }
            await using var third = await WireClient.Login(server, user.Local!, "three");
            await third.Appear();
            await third.Barrier();
            Assert.DoesNotContain(third.Inbox, e => e["type"] == "subscribe");
            Assert.Equal(Subscription.From, (await server.Stored(user, contact))!.Subscription);
        }
        finally
        {
            await server.StopNode();
            await server.DisposeAsync();
        }
    }

    [Fact]
    public async Task Strangers_cannot_fill_the_database_with_requests()
    {
        var user = await _server.NewAccount("user");
        for (var i = 0; i < SubscriptionFlow.MaxRequests; i++) await Put(user, Jid.Parse($"stranger{i}@{_server.Domain}"), SubscriptionTables.State(Standing.NoneIn), listed: false);
        var contact = await _server.NewAccount("contact");
        await using var other = await WireClient.Login(_server, contact.Local!, "a");
        await using var own = await Interested(user);
        await other.Send($"<presence to='{user}' type='subscribe'/>");
        await other.Barrier();
        Assert.Null(await _server.Stored(user, contact));

        var refused = new Element("presence", Ns.Client).With("type", "subscribe").With("to", user.ToString()).Add("status", Ns.Client, new string('x', SubscriptionFlow.MaxRequestBytes));
        await other.Send(refused);
        Assert.Equal("not-acceptable", (await other.Expect(e => e["type"] == "error", "an error")).Child("error", Ns.Client)!.ChildOf(Ns.StanzaErrors)!.Name);
    }

    [Fact]
    public async Task Requests_to_nobody_are_silent_and_those_to_other_servers_are_refused()
    {
        var user = await _server.NewAccount("user");
        await using var own = await Interested(user);
        await own.Send($"<presence to='nobody-at-all@{_server.Domain}' type='subscribe'/>");
        var push = await own.Expect(e => e["type"] == "set", "the push"); // as for an account that exists and does not answer
        Assert.Equal("subscribe", push.FirstChild!.FirstChild!["ask"]);
        await own.Send("<presence to='somebody@elsewhere.example' type='subscribe'/>");
        var error = await own.Expect(e => e["type"] == "error", "the error");
        Assert.NotNull(error.Child("error", Ns.Client)!.Child("remote-server-not-found", Ns.StanzaErrors));
        await own.Barrier();
        Assert.Empty(own.Inbox);
        await own.Send($"<presence to='{user}' type='subscribe'/>"); // one is subscribed to oneself
        await own.Barrier();
        Assert.Empty(own.Inbox);
    }

    [Fact]
    public async Task What_a_crash_left_half_done_is_mended_by_the_next_presence()
    {
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await Put(user, contact, SubscriptionTables.State(Standing.To)); // the contact has cancelled, the user's roster does not know
        await using var other = await WireClient.Login(_server, contact.Local!, "a");
        await other.Appear();
        await using var own = await Interested(user);
        await own.Send("<presence/>");
        await own.Expect(e => e["type"] == "unsubscribed" && e["from"] == contact.ToString(), "the cancellation");
        var push = await own.Expect(e => e["type"] == "set", "the push");
        Assert.Equal("none", push.FirstChild!.FirstChild!["subscription"]);

        var (asker, asked) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await Put(asker, asked, SubscriptionTables.State(Standing.NoneOut)); // the request never reached the contact
        await using var two = await WireClient.Login(_server, asked.Local!, "a");
        await two.Appear();
        await using var one = await Interested(asker);
        await one.Send("<presence/>");
        await two.Expect(e => e["type"] == "subscribe" && e["from"] == asker.ToString(), "the request");
    }

    [Fact]
    public async Task Befriended_accounts_see_each_other()
    {
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await using var own = await Interested(user);
        await own.Appear();
        await using var other = await Interested(contact);
        await other.Appear();
        await _server.Node.Presence.BefriendAsync(user, contact);
        await own.Expect(e => e.Name == "presence" && e["from"] == other.Jid && e["type"] is null, "the contact");
        await other.Expect(e => e.Name == "presence" && e["from"] == own.Jid && e["type"] is null, "the user");
        foreach (var (a, b) in new[] { (user, contact), (contact, user) })
        {
            var item = await _server.Stored(a, b);
            Assert.Equal((Subscription.Both, false, false), (item!.Subscription, item.Ask, item.Approved));
        }
        await _server.Node.Presence.LeaveAsync(await _server.Account(user));
        await other.Expect(e => e["type"] == "unavailable" && e["from"] == own.Jid, "the user goes");
        Assert.Equal(Subscription.None, (await _server.Stored(contact, user))!.Subscription);
    }

    [Fact]
    public async Task Who_takes_the_address_of_a_removed_account_inherits_nothing()
    {
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        var (asker, blind) = (await _server.NewAccount("asker"), await _server.NewAccount("blind"));
        await Put(asker, contact, SubscriptionTables.State(Standing.NoneOut));
        await Put(blind, contact, SubscriptionTables.State(Standing.Both)); // the contact's roster does not know of it
        await using var own = await Interested(user);
        await own.Appear();
        await own.Send($"<presence to='{contact}' type='subscribed'/>"); // approved before it is asked for
        await own.Expect(e => e.Name == "iq" && e["type"] == "set", "the push");
        await using (var other = await Interested(contact)) await other.Appear();

        Assert.True((await _server.Node.AccountService.DeleteAsync(contact.Local!)).IsDone);
        foreach (var holder in new[] { user, asker, blind })
        {
            var item = await _server.Stored(holder, contact);
            Assert.Equal((Subscription.None, false, false, false), (item!.Subscription, item.Ask, item.Approved, item.PendingIn is not null));
        }
        await _server.AddAccounts([contact.Local!]);
        await using var again = await WireClient.Login(_server, contact.Local!, "new");
        await again.Send($"<presence to='{user}' type='subscribe'/>");
        await own.Expect(e => e.Name == "presence" && e["type"] == "subscribe", "a request like any stranger's");
        await again.Barrier();
        Assert.DoesNotContain(again.Inbox, e => e.Name == "presence");
    }

    private async Task CheckUser(WireClient own, Jid user, Jid contact, SubscriptionState before, SubscriptionState after)
    {
        var item = await _server.Stored(user, contact);
        Assert.Equal(after, new SubscriptionState(item!.Subscription, item.Ask, item.PendingIn is not null, item.Approved));
        var roster = await _server.Node.Presence.Rosters.OfAsync(await _server.Account(user));
        Assert.Equal(after, roster.Find(contact)!.State);
        await own.Barrier();
        var pushes = own.Inbox.Where(e => e.Name == "iq" && e["type"] == "set").ToArray();
        if (before with { PendingIn = after.PendingIn } == after)
        {
            Assert.Empty(pushes); // nothing that a client could see
            return;
        }
        var pushed = Assert.Single(pushes).Child("query", Ns.Roster)!.Child("item", Ns.Roster)!;
        Assert.Equal(Kebab.Of(after.Subscription), pushed["subscription"]);
        Assert.Equal(after.Ask ? "subscribe" : null, pushed["ask"]);
        Assert.Equal(after.Approved ? "true" : null, pushed["approved"]);
        Assert.Equal("Name", pushed["name"]);
    }

    private Task Put(Jid account, Jid contact, SubscriptionState state, bool listed = true)
    {
        var request = state.PendingIn ? Encoding.UTF8.GetBytes($"<presence from='{contact}' to='{account}' type='subscribe'/>") : null;
        return _server.Store(account, new RosterItem(contact.ToString(), listed ? "Name" : null, state.Subscription, state.Ask, request, state.Approved, []));
    }

    private async Task<WireClient> Interested(Jid account)
    {
        var client = await WireClient.Login(_server, account.Local!, "r");
        await client.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        return client;
    }
}
