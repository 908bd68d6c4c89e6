using System.Diagnostics;
using System.Globalization;
using Indaba.Server.Accounts;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Accounts;

public sealed class PresenceTests(NodeFixture fixture) : IClassFixture<NodeFixture>
{
    private readonly RunningNode _server = fixture.Server;

    [Fact]
    public async Task Nobody_is_left_as_a_ghost_however_fast_sessions_come_and_go()
    {
        var observer = await _server.NewAccount("observer");
        var users = new List<Jid>();
        for (var i = 0; i < 5; i++) users.Add(await _server.NewAccount("busy"));
        foreach (var user in users) await Befriend(observer, user);
        await using var watching = await WireClient.Login(_server, observer.Local!, "w");
        await watching.Appear();
        await Task.WhenAll(users.Select(async (user, n) =>
        {
            for (var i = 0; i < 15; i++)
            {
                await using var client = await WireClient.Login(_server, user.Local!, $"r{i}");
                await client.Send("<presence/>");
                for (var k = 0; k < (i + n) % 4; k++) await client.Send($"<presence><status>{k}</status></presence>");
                if (i % 3 == 0) await client.Send($"<presence to='{observer}'><status>direct</status></presence>");
                if (i % 4 == 1) await client.Barrier();
                if (i % 5 == 2) await client.Send("<presence type='unavailable'/>");
                client.Cut(); // in the middle of whatever the server is doing
            }
            await using var last = await WireClient.Login(_server, user.Local!, "last");
            await last.Appear();
            await last.Close();
        }));
        var time = Stopwatch.StartNew();
        while (_server.Node.Sessions.All.Any(s => users.Contains(s.Jid.Bare)) || Last(watching).Count(p => p.Key.EndsWith("/last", StringComparison.Ordinal)) < users.Count
            || Last(watching).Any(p => p.Value != "unavailable"))
        {
            Assert.True(time.Elapsed < WireClient.Limit, "left behind: " + string.Join(", ", Last(watching).Where(p => p.Value != "unavailable").Select(p => p.Key)));
            await watching.Barrier();
        }

        Dictionary<string, string> Last(WireClient client) => client.Inbox.Where(e => e.Name == "presence" && e["from"] != client.Jid)
            .GroupBy(e => e["from"]!).ToDictionary(g => g.Key, g => g.Last()["type"] ?? "available");
    }

    [Fact]
    public async Task The_newest_presence_is_the_last_to_arrive_at_one_who_logs_in_meanwhile()
    {
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await Befriend(user, contact);
        await using var changing = await WireClient.Login(_server, user.Local!, "c");
        await changing.Appear();
        for (var i = 0; i < 40; i++)
        {
            await using var other = await WireClient.Login(_server, contact.Local!, "o");
            await Task.WhenAll(other.Send("<presence/>"), Change(i));
            await changing.Barrier();
            await other.Barrier();
            Assert.Equal($"{i}.4", other.Inbox.Last(e => e.Name == "presence" && e["from"] == changing.Jid).ChildText("status", Ns.Client));
        }

        async Task Change(int i)
        {
            for (var k = 0; k < 5; k++) await changing.Send($"<presence><status>{i}.{k}</status></presence>");
        }
    }

    [Fact]
    public async Task Directed_presence_has_a_bound_and_reaches_names_that_need_escapes()
    {
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        const string odd = "a&b<'>\"\u00e9 \U0001F600";
        await using var other = await WireClient.Login(_server, contact.Local!, odd);
        await using var own = await WireClient.Login(_server, user.Local!, "r<&'");
        var to = Jid.Parse($"{contact}/{odd}").ToString();
        await own.Send(new Element("presence", Ns.Client).With("to", to).Add(new Element("delay", Ns.Delay).With("stamp", "2002-09-10T23:41:07Z")));
        var shown = await other.Expect(e => e.Name == "presence", "directed presence");
        Assert.Equal((own.Jid, to), (shown["from"], shown["to"]));
        Assert.Null(shown.Child("delay", Ns.Delay)); // not for clients to say
        for (var i = 1; i < PresenceState.MaxDirected; i++) await own.Send($"<presence to='{contact}/{i}'/>");
        await own.Barrier();
        Assert.Empty(own.Inbox);
        await own.Send($"<presence to='{contact}/more' id='more'/>");
        var refused = await own.Expect(e => e["type"] == "error", "the refusal");
        Assert.NotNull(refused.Child("error", Ns.Client)!.Child("resource-constraint", Ns.StanzaErrors));
        await own.Send($"<presence to='{contact}/1' type='unavailable'/>");
        await own.Send($"<presence to='{contact}/more'/>");
        await own.Barrier();
        Assert.Empty(own.Inbox);
        own.Cut();
        var gone = await other.Expect(e => e["type"] == "unavailable", "the end");
        Assert.Equal((own.Jid, to), (gone["from"], gone["to"]));
    }

    [Fact]
    public async Task A_presence_that_is_too_long_is_refused_and_the_last_one_stands()
    {
        var user = await _server.NewAccount("user");
        await using var own = await WireClient.Login(_server, user.Local!, "u");
        await own.Send("<presence><status>short</status></presence>");
        await own.Expect(e => e.Name == "presence", "the own presence");
        await own.Send(new Element("presence", Ns.Client).With("id", "p").Add("status", Ns.Client, new string('x', PresenceService.MaxBytes)));
        var refused = await own.Expect(e => e["type"] == "error" && e["id"] == "p", "the refusal");
        Assert.NotNull(refused.Child("error", Ns.Client)!.Child("policy-violation", Ns.StanzaErrors));
        await own.Send($"<presence type='probe' to='{user}'/>");
        await using var second = await WireClient.Login(_server, user.Local!, "u2");
        await second.Appear();
        Assert.Equal("short", (await second.Expect(e => e["from"] == own.Jid, "the presence")).ChildText("status", Ns.Client));
    }

    [Fact]
    public async Task A_client_may_probe_whom_it_sees_or_who_showed_itself()
    {
        var (user, contact, stranger) = (await _server.NewAccount("user"), await _server.NewAccount("contact"), await _server.NewAccount("stranger"));
        await Befriend(user, contact);
        await using var other = await WireClient.Login(_server, contact.Local!, "o");
        await other.Send("<presence id='p1'><show>away</show><status>Gone fishing</status></presence>");
        await other.Barrier();
        await using var own = await WireClient.Login(_server, user.Local!, "u");
        await own.Send($"<presence type='probe' to='{contact}' id='q1'/>");
        var whole = await own.Expect(e => e.Name == "presence" && e["from"] == other.Jid, "all of it");
        Assert.Equal(("p1", "Gone fishing"), (whole["id"], whole.ChildText("status", Ns.Client)));
        await own.Send($"<presence type='probe' to='{other.Jid}'/>");
        Assert.Empty((await own.Expect(e => e.Name == "presence" && e["from"] == other.Jid, "that it is there")).Elements);
        await own.Send($"<presence type='probe' to='{contact}/nowhere'/>");
        await own.Expect(e => e["type"] == "unavailable" && e["from"] == $"{contact}/nowhere", "that it is not there");

        await using var third = await WireClient.Login(_server, stranger.Local!, "s");
        foreach (var address in new[] { contact.ToString(), other.Jid, $"nobody-{stranger}" })
        {
            await third.Send($"<presence type='probe' to='{address}' id='q'/>");
            var refused = await third.Expect(e => e.Name == "presence", "the refusal");
            Assert.Equal(("unsubscribed", "q", address.Split('/')[0]), (refused["type"], refused["id"], refused["from"]));
        }
        await other.Send($"<presence to='{third.Jid}'><status>For you</status></presence>");
        await third.Expect(e => e["from"] == other.Jid, "directed presence");
        await third.Send($"<presence type='probe' to='{other.Jid}'/>");
        var mere = await third.Expect(e => e["from"] == other.Jid, "that it is there");
        Assert.Null(mere["type"]);
        Assert.Empty(mere.Elements);
        await third.Send("<presence type='probe' to='someone@elsewhere.example'/><presence type='probe' to='localhost'/>");
        await third.Barrier();
        Assert.Empty(third.Inbox); // never an error (section 4.3)
    }

    [Fact]
    public async Task When_somebody_was_last_seen_outlives_the_server()
    {
        var server = await RunningNode.StartNew();
        try
        {
            var (user, contact) = (await server.NewAccount("user"), await server.NewAccount("contact"));
            await server.Store(contact, new RosterItem(user.ToString(), "", Subscription.Both, false, null, false, []));
            await server.Store(user, new RosterItem(contact.ToString(), "", Subscription.Both, false, null, false, []));
            await using (var other = await WireClient.Login(server, contact.Local!, "o"))
            {
                await other.Appear();
                await other.Send("<presence type='unavailable'><status>Heading\nhome</status></presence>");
                await other.Barrier();
            }
            await server.StopNode();
            await server.StartNode();
            await using (var own = await WireClient.Login(server, user.Local!, "u"))
            {
                var last = (await own.Request($"<iq type='get' to='{contact}'><query xmlns='{Ns.LastActivity}'/></iq>")).Child("query", Ns.LastActivity)!;
                Assert.Equal("Heading\nhome", last.Text);
                Assert.InRange(int.Parse(last["seconds"]!, CultureInfo.InvariantCulture), 0, 120);
                await own.Send($"<presence type='probe' to='{contact}' id='q'/>");
                var presence = await own.Expect(e => e["type"] == "unavailable", "the answer");
                Assert.Equal((contact.ToString(), "q"), (presence["from"], presence["id"]));
                Assert.True(Timestamp.TryParse(presence.Child("delay", Ns.Delay)!["stamp"], out _));
                await using var there = await WireClient.Login(server, contact.Local!, "o");
                await there.Appear();
                await server.StopNode(); // nobody says goodbye
            }
            await server.StartNode();
            await using var again = await WireClient.Login(server, user.Local!, "u");
            var fresh = (await again.Request($"<iq type='get' to='{contact}'><query xmlns='{Ns.LastActivity}'/></iq>")).Child("query", Ns.LastActivity)!;
            Assert.Equal("", fresh.Text);
        }
        finally
        {
            await server.StopNode();
            await server.DisposeAsync();
        }
    }

    private async Task Befriend(Jid one, Jid other)
    {
        await _server.Store(one, new RosterItem(other.ToString(), "", Subscription.Both, false, null, false, []));
        await _server.Store(other, new RosterItem(one.ToString(), "", Subscription.Both, false, null, false, []));
    }
}
