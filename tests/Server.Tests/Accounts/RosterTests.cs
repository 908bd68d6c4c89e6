using System.Globalization;
using Indaba.Server.Accounts;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Accounts;

public sealed class RosterTests(NodeFixture fixture) : IClassFixture<NodeFixture>
{
    private const int Each = 100;
    private readonly RunningNode _server = fixture.Server;

    [Fact]
    public async Task Two_devices_that_change_at_once_lose_nothing_and_see_the_same_order()
    {
        var account = await _server.NewAccount("user");
        await using var one = await Interested(account, "one");
        await using var two = await Interested(account, "two");
        await Task.WhenAll(Change(one, "a"), Change(two, "b"));
        var seen = new List<string[]>();
        foreach (var client in new[] { one, two })
        {
            await client.Barrier();
            var pushes = client.Inbox.Where(e => e.Name == "iq" && e["type"] == "set").Select(e => e.FirstChild!).ToArray();
            Assert.Equal(2 * Each + Each / 2 * 2, pushes.Length); // sets and removals of both
            var versions = pushes.Select(Version).ToArray();
            Assert.Equal(versions.Order(), versions);
            Assert.Equal(versions.Length, versions.Distinct().Count());
            seen.Add([.. pushes.Select(p => p.ToString())]);
        }
        Assert.Equal(seen[0], seen[1]);
        var stored = (await _server.Stored(account)).Select(i => i.Jid).Order(StringComparer.Ordinal);
        var expected = from who in new[] { "a", "b" } from i in Enumerable.Range(0, Each) where i % 2 == 1 select $"{who}{i}@{_server.Domain}";
        Assert.Equal(expected.Order(StringComparer.Ordinal), stored);
        Assert.Equal(stored, (await _server.Node.Presence.Rosters.OfAsync(await _server.Account(account))).Contacts.Select(c => c.Jid.ToString()).Order(StringComparer.Ordinal));

        static long Version(Element query) => long.Parse(query["ver"]!.Split('-')[1], CultureInfo.InvariantCulture);
        async Task Change(WireClient client, string who)
        {
            for (var i = 0; i < Each; i++)
            {
                await client.Send($"<iq type='set' id='s{i}'><query xmlns='{Ns.Roster}'><item jid='{who}{i}@{_server.Domain}' name='{i}'><group>{who}</group></item></query></iq>");
                if (i % 2 == 0) await client.Send($"<iq type='set' id='r{i}'><query xmlns='{Ns.Roster}'><item jid='{who}{i}@{_server.Domain}' subscription='remove'/></query></iq>");
            }
            await client.Expect(e => e["type"] == "result" && e["id"] == $"s{Each - 1}", "the last answer");
        }
    }

    [Fact]
    public async Task Who_comes_back_gets_what_has_changed_and_removals_too()
    {
        var account = await _server.NewAccount("user");
        await using var one = await Interested(account, "one");
        foreach (var name in new[] { "keep", "go", "change", "turn", "x1", "x2", "x3" }) await Set(one, name, "1");
        var stranger = await _server.NewAccount("stranger");
        await Set(one, stranger.Local!, "1");
        var ver = (await Get(one, null)).FirstChild!["ver"]!;

        await Set(one, "go", null);
        await Set(one, "change", "2");
        await Set(one, "change", "3");
        await Set(one, "new", "1");
        await Set(one, stranger.Local!, null);
        await using (var other = await WireClient.Login(_server, stranger.Local!, "s"))
        {
            await other.Send($"<presence to='{account}' type='subscribe'/>"); // waits, and is in no roster
            await other.Barrier();
        }
        await using var two = await WireClient.Login(_server, account.Local!, "two");
        var result = await Get(two, ver);
        Assert.Null(result.FirstChild);
        await two.Barrier();
        var pushes = two.Inbox.Where(e => e.Name == "iq" && e["type"] == "set").Select(e => e.FirstChild!).ToArray();
        var items = pushes.ToDictionary(p => p.FirstChild!["jid"]!.Split('@')[0], p => (p.FirstChild!["subscription"], p.FirstChild!["name"]));
        Assert.Equal(new Dictionary<string, (string?, string?)>
        {
            ["go"] = ("remove", null), ["change"] = ("none", "3"), ["new"] = ("none", "1"), [stranger.Local!] = ("remove", null),
        }, items);

        await using var three = await WireClient.Login(_server, account.Local!, "three");
        Assert.Null((await Get(three, pushes[^1]["ver"])).FirstChild);
        await three.Barrier();
        Assert.DoesNotContain(three.Inbox, e => e["type"] == "set");
        foreach (var unknown in new[] { "", "ver14", "aaaaaaaa-1", ver.Split('-')[0] + "-999999", ver.Split('-')[0] + "--1" })
        {
            var whole = (await Get(three, unknown)).FirstChild!;
            Assert.Equal(7, whole.Elements.Count()); // keep, change, turn, x1, x2, x3, new
            Assert.Equal(pushes[^1]["ver"], whole["ver"]);
        }
    }

    [Fact]
    public async Task A_roster_has_a_bound_and_a_full_one_can_still_be_changed()
    {
        var server = await RunningNode.StartNew(o => o with { Limits = o.Limits with { RosterItems = 3 } });
        try
        {
            var account = await server.NewAccount("user");
            await using var client = await WireClient.Login(server, account.Local!, "one");
            foreach (var name in new[] { "a", "b", "c" }) Assert.Equal("result", (await Set(client, name, "1"))["type"]);
            var refused = await Set(client, "d", "1");
            Assert.NotNull(refused.Child("error", Ns.Client)!.Child("resource-constraint", Ns.StanzaErrors));
            Assert.Equal("result", (await Set(client, "c", "2"))["type"]);
            await client.Send($"<presence type='subscribe' to='d@{server.Domain}' id='p'/>");
            var error = await client.Expect(e => e.Name == "presence" && e["type"] == "error", "the refusal");
            Assert.NotNull(error.Child("error", Ns.Client)!.Child("resource-constraint", Ns.StanzaErrors));
            Assert.Equal("result", (await Set(client, "a", null))["type"]);
            Assert.Equal("result", (await Set(client, "d", "1"))["type"]);
        }
        finally
        {
            await server.StopNode();
            await server.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("<item jid='a@localhost'/><item jid='b@localhost'/>", "bad-request")]
    [InlineData("", "bad-request")]
    [InlineData("<item/>", "bad-request")]
    [InlineData("<item jid='a@@b'/>", "jid-malformed")]
    [InlineData("<item jid='a@localhost'><group>x</group><group>x</group></item>", "bad-request")]
    [InlineData("<item jid='a@localhost'><group>\u00e9</group><group>e\u0301</group></item>", "bad-request")]
    [InlineData("<item jid='a@localhost'><group/></item>", "not-acceptable")]
    [InlineData("<item jid='nobody@localhost' subscription='remove'/>", "item-not-found")]
    [InlineData("<item jid='{own}'/>", "not-allowed")]
    public async Task What_breaks_the_rules_is_refused_and_changes_nothing(string items, string condition)
    {
        var account = await _server.NewAccount("user");
        await using var client = await Interested(account, "one");
        var answer = await client.Request($"<iq type='set'><query xmlns='{Ns.Roster}'>{items.Replace("{own}", account.ToString(), StringComparison.Ordinal)}</query></iq>");
        Assert.Equal(condition, answer.Child("error", Ns.Client)!.ChildOf(Ns.StanzaErrors)!.Name);
        Assert.Empty((await Get(client, null)).FirstChild!.Elements);
        Assert.DoesNotContain(client.Inbox, e => e["type"] == "set");
    }

    [Fact]
    public async Task Text_is_kept_as_it_was_sent_up_to_its_bound()
    {
        var account = await _server.NewAccount("user");
        await using var client = await WireClient.Login(_server, account.Local!, "one");
        var longest = new string('x', RosterService.MaxText);
        foreach (var (name, group, fits) in new[] { ("  Ro&meo <3 'x' \"y\" \u00e9 \U0001F600", " Friends ", true), (longest, longest, true), (longest + "x", "g", false), ("n", longest + "x", false) })
        {
            var item = new Element("item", Ns.Roster).With("jid", "romeo@elsewhere.example").With("name", name).Add("group", Ns.Roster, group);
            var answer = await client.Request(new Element("iq", Ns.Client).With("type", "set").Add(new Element("query", Ns.Roster).Add(item)));
            Assert.Equal(fits ? "result" : "error", answer["type"]);
            if (!fits)
            {
                Assert.NotNull(answer.Child("error", Ns.Client)!.Child("not-acceptable", Ns.StanzaErrors));
                continue;
            }
            var kept = (await Get(client, null)).FirstChild!.FirstChild!;
            Assert.Equal((name, group), (kept["name"], kept.ChildText("group", Ns.Roster)));
        }
        var groups = string.Concat(Enumerable.Range(0, RosterService.MaxGroups + 1).Select(i => $"<group>{i}</group>"));
        Assert.Equal("error", (await client.Request($"<iq type='set'><query xmlns='{Ns.Roster}'><item jid='a@localhost'>{groups}</item></query></iq>"))["type"]);
    }

    [Fact]
    public void A_roster_finds_its_contacts()
    {
        var jids = Enumerable.Range(0, 200).Select(i => Jid.Parse($"user{i * 7 % 200}@{(i % 3 == 0 ? "b" : "a")}.example{(i % 5 == 0 ? "/r" : "")}")).ToArray();
        var roster = new Roster(new RosterRows(1, [.. jids.Take(100).Select(j => new RosterItem(j.ToString(), "", Subscription.None, false, null, false, []))]), "a.example");
        foreach (var jid in jids.Skip(100)) roster.Put(new RosterContact(jid, "", Subscription.Both, false, null, false, []), 2);
        Assert.Equal(200, roster.Contacts.Length);
        Assert.All(jids, j => Assert.Equal(j, roster.Find(j)!.Jid));
        foreach (var jid in jids.Where((_, i) => i % 2 == 0)) roster.Remove(jid, 3);
        Assert.All(jids.Select((j, i) => (j, i)), p => Assert.Equal(p.i % 2 == 1, roster.Find(p.j) is not null));
        Assert.Null(roster.Find(Jid.Parse("nobody@a.example")));
    }

    private async Task<WireClient> Interested(Jid account, string resource)
    {
        var client = await WireClient.Login(_server, account.Local!, resource);
        await Get(client, null);
        return client;
    }

    private static Task<Element> Get(WireClient client, string? ver) =>
        client.Request(new Element("iq", Ns.Client).With("type", "get").Add(new Element("query", Ns.Roster).With("ver", ver)));

    private static Task<Element> Set(WireClient client, string contact, string? name) => client.Request(new Element("iq", Ns.Client).With("type", "set").Add(
        new Element("query", Ns.Roster).Add(new Element("item", Ns.Roster).With("jid", contact + "@localhost").With("name", name).With("subscription", name is null ? "remove" : null))));
}
