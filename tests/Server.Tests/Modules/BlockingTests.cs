using Indaba.Server.Accounts;
using Indaba.Server.Modules;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Accounts;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Modules;

public sealed class BlockingTests(NodeFixture fixture) : IClassFixture<NodeFixture>
{
    private readonly NodeServer _server = fixture.Server;

    [Fact]
    public void Addresses_match_as_section_5_says()
    {
        var list = new BlockList([Jid.Parse("user@a/r"), Jid.Parse("user@b"), Jid.Parse("c"), Jid.Parse("d/r")]);
        foreach (var (jid, blocked) in new[]
        {
            ("user@a/r", true), ("user@a", false), ("user@a/other", false), ("user@b", true), ("user@b/any", true), ("other@b", false), ("b", false),
            ("c", true), ("any@c", true), ("any@c/r", true), ("c/r", true), ("sub.c", false), ("d/r", true), ("d", false), ("user@d", false), ("user@d/r", false),
        }) Assert.Equal((jid, blocked), (jid, list.Matches(Jid.Parse(jid))));
        Assert.False(BlockList.Empty.Matches(Jid.Parse("user@a")));
    }

    [Fact]
    public async Task A_list_has_a_bound_and_is_kept_whole()
    {
        var account = await _server.NewAccount("user");
        await using var client = await WireClient.Login(_server, account.Local!, "r");
        Assert.Equal("result", (await Send(client, "block", [.. Enumerable.Range(0, Blocking.MaxItems).Select(i => $"u{i}@{_server.Domain}")]))["type"]);
        var refused = await Send(client, "block", "one-more@localhost");
        Assert.NotNull(refused.Child("error", Ns.Client)!.Child("resource-constraint", Ns.StanzaErrors));
        Assert.Equal("result", (await Send(client, "block", "u0@localhost"))["type"]); // stands there already
        Assert.Equal(Blocking.MaxItems, (await List(client)).Count);
        await Send(client, "unblock", "u0@localhost", "nobody@localhost");
        Assert.Equal("result", (await Send(client, "block", "one-more@localhost"))["type"]);
        Assert.Contains("one-more@localhost", await List(client));
    }

    [Fact]
    public async Task Presence_passes_neither_way_and_comes_back_with_the_end_of_the_block()
    {
        var (user, contact) = await Friends();
        await using var own = await Online(user, "u");
        await using var other = await Online(contact, "o");
        await own.Expect(e => e.Name == "presence" && e["from"] == other.Jid, "the contact");
        await Send(own, "block", contact.ToString());
        await other.Expect(e => e["type"] == "unavailable" && e["from"] == own.Jid, "the user goes");
        other.ClearInbox();
        await own.Send("<presence><show>away</show></presence>");
        await own.Barrier();
        await other.Send("<presence><show>dnd</show></presence>");
        await other.Send($"<presence to='{own.Jid}'/>");
        await other.Send($"<presence to='{user}' type='probe'/>");
        await other.Barrier();
        await using var second = await Online(contact, "o2");
        foreach (var client in new[] { other, second })
        {
            await client.Barrier();
            Assert.DoesNotContain(client.Inbox, e => e["from"]?.StartsWith(user.ToString(), StringComparison.Ordinal) == true);
        }
        await own.Barrier();
        Assert.DoesNotContain(own.Inbox, e => e.Name == "presence" && e["from"]!.StartsWith(contact.ToString(), StringComparison.Ordinal));
        await Send(own, "unblock");
        foreach (var client in new[] { other, second })
            Assert.Equal("away", (await client.Expect(e => e.Name == "presence" && e["from"] == own.Jid, "the user is back")).ChildText("show", Ns.Client));
        Assert.Equal("dnd", (await own.Expect(e => e.Name == "presence" && e["from"] == other.Jid, "the contact is back")).ChildText("show", Ns.Client));
        Assert.Equal(Subscription.Both, (await _server.Stored(user, contact))!.Subscription); // blocking is polite
    }

    [Fact]
    public async Task One_resource_is_blocked_and_the_others_are_not()
    {
        var (user, contact) = await Friends();
        await using var own = await Online(user, "u");
        await using var one = await Online(contact, "one");
        await using var two = await Online(contact, "two");
        foreach (var client in new[] { one, two }) client.ClearInbox();
        await Send(own, "block", one.Jid);
        await one.Expect(e => e["type"] == "unavailable" && e["from"] == own.Jid, "the user goes");
        one.ClearInbox();
        await own.Send("<presence><show>away</show></presence>");
        await own.Barrier();
        await two.Expect(e => e.ChildText("show", Ns.Client) == "away", "the user");
        await one.Barrier();
        Assert.DoesNotContain(one.Inbox, e => e["from"] == own.Jid);
        own.ClearInbox();
        await one.Send("<presence><show>dnd</show></presence>");
        await one.Barrier();
        await two.Send("<presence><show>xa</show></presence>");
        await own.Expect(e => e.ChildText("show", Ns.Client) == "xa", "the other resource");
        Assert.DoesNotContain(own.Inbox, e => e["from"] == one.Jid);
    }

    [Fact]
    public async Task Directed_presence_ends_with_a_block()
    {
        var (user, stranger) = (await _server.NewAccount("user"), await _server.NewAccount("stranger"));
        await using var own = await WireClient.Login(_server, user.Local!, "u");
        await using var other = await WireClient.Login(_server, stranger.Local!, "o");
        await own.Send($"<presence to='{other.Jid}'/>");
        await other.Expect(e => e.Name == "presence" && e["type"] is null, "directed presence");
        await Send(own, "block", stranger.ToString());
        await other.Expect(e => e["type"] == "unavailable" && e["from"] == own.Jid, "its end");
        await own.Send($"<presence to='{other.Jid}' id='d'/>");
        var refused = (await own.Expect(e => e["type"] == "error" && e["id"] == "d", "the refusal")).Child("error", Ns.Client)!;
        Assert.NotNull(refused.Child("blocked", Ns.BlockingErrors));
        own.Cut();
        await other.Barrier();
        Assert.Empty(other.Inbox);
    }

    [Fact]
    public async Task A_blocked_stranger_asks_in_vain()
    {
        var (user, stranger) = (await _server.NewAccount("user"), await _server.NewAccount("stranger"));
        await using var other = await WireClient.Login(_server, stranger.Local!, "o");
        await other.Send($"<presence to='{user}' type='subscribe'/>");
        await other.Barrier();
        await using (var own = await WireClient.Login(_server, user.Local!, "u"))
        {
            await Send(own, "block", stranger.ToString());
            await own.Appear();
            await own.Barrier();
            Assert.DoesNotContain(own.Inbox, e => e["type"] == "subscribe"); // came before, and is not shown
        }
        var second = await _server.NewAccount("second");
        await using var again = await WireClient.Login(_server, user.Local!, "u");
        await Send(again, "block", second.ToString());
        await using var third = await WireClient.Login(_server, second.Local!, "o");
        await third.Send($"<presence to='{user}' type='subscribe'/>");
        await third.Barrier();
        Assert.Null(await _server.Stored(user, second));
        Assert.Empty(third.Inbox);
    }

    [Fact]
    public async Task Ones_own_resources_and_the_server_cannot_be_blocked()
    {
        var user = await _server.NewAccount("user");
        await using var one = await Online(user, "one");
        await using var two = await Online(user, "two");
        await Send(one, "block", user.ToString(), _server.Domain);
        await two.Send($"<message to='{one.Jid}' id='m'><body>hello</body></message>");
        await one.Expect(e => e.Name == "message" && e["id"] == "m", "the message");
        await one.Barrier(); // a request to the server
    }

    private async Task<(Jid User, Jid Contact)> Friends()
    {
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await _server.Store(user, new RosterItem(contact.ToString(), "", Subscription.Both, false, null, false, []));
        await _server.Store(contact, new RosterItem(user.ToString(), "", Subscription.Both, false, null, false, []));
        return (user, contact);
    }

    private async Task<WireClient> Online(Jid account, string resource)
    {
        var client = await WireClient.Login(_server, account.Local!, resource);
        await client.Appear();
        return client;
    }

    private static Task<Element> Send(WireClient client, string command, params string[] jids)
    {
        var element = new Element(command, Ns.Blocking);
        foreach (var jid in jids) element.Add(new Element("item", Ns.Blocking).With("jid", jid));
        return client.Request(new Element("iq", Ns.Client).With("type", "set").Add(element));
    }

    private static async Task<IReadOnlyList<string>> List(WireClient client) =>
        [.. (await client.Request($"<iq type='get'><blocklist xmlns='{Ns.Blocking}'/></iq>")).FirstChild!.Elements.Select(i => i["jid"]!)];
}
