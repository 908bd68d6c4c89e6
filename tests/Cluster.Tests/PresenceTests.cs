using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Cluster.Tests;

/// <summary>Presence, requests and blocking between people on different nodes.</summary>
[Collection(OneCluster.Name)]
public sealed class PresenceTests(RunningCluster cluster)
{
    [Fact]
    public async Task Contacts_on_different_nodes_see_each_other_come_change_and_go()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var alice = await Chat.Appear(cluster, 1, names[0], "phone");
        await using var bob = await Chat.Appear(cluster, 2, names[1], "phone");
        await Chat.Subscribe(alice, bob);
        await Chat.Subscribe(bob, alice);

        await bob.Send("<presence xmlns='jabber:client'><show>away</show></presence>");
        await alice.Expect(e => e.Is("presence", Ns.Client) && e["from"] == bob.Jid && e.ChildText("show", Ns.Client) == "away", "the change");
        await bob.Close();
        await alice.Expect(e => e.Is("presence", Ns.Client) && e["from"] == bob.Jid && e["type"] == "unavailable", "the leaving");

        await using var again = await Chat.Appear(cluster, 3, names[1], "phone");
        await alice.Expect(e => e.Is("presence", Ns.Client) && e["from"] == again.Jid && e["type"] is null, "the return through another node");
        await again.Expect(e => e.Is("presence", Ns.Client) && e["from"] == alice.Jid && e["type"] is null, "the answer to the probe");
    }

    [Fact]
    public async Task A_request_waits_for_somebody_who_is_away()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var alice = await Chat.Appear(cluster, 1, names[0], "phone");
        await alice.Send($"<presence xmlns='jabber:client' type='subscribe' to='{names[1]}@localhost'/>");
        await alice.Barrier();

        await using var bob = await Chat.Appear(cluster, 2, names[1], "phone");
        await bob.Expect(e => e.Is("presence", Ns.Client) && e["type"] == "subscribe" && e["from"] == alice.BareJid, "the request");
    }

    [Fact]
    public async Task Directed_presence_reaches_a_stranger_and_is_taken_back_at_the_end()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var alice = await Chat.Appear(cluster, 1, names[0], "phone");
        await using var bob = await Chat.Appear(cluster, 3, names[1], "phone");

        await alice.Send($"<presence xmlns='jabber:client' to='{bob.Jid}'/>");
        await bob.Expect(e => e.Is("presence", Ns.Client) && e["from"] == alice.Jid && e["type"] is null, "the directed presence");
        alice.Cut();
        await bob.Expect(e => e.Is("presence", Ns.Client) && e["from"] == alice.Jid && e["type"] == "unavailable", "its end");
    }

    [Fact]
    public async Task A_request_to_a_full_address_is_answered_by_the_client_on_the_other_node()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var alice = await Chat.Appear(cluster, 1, names[0], "phone");
        await using var bob = await Chat.Appear(cluster, 2, names[1], "phone");
        await Chat.Subscribe(alice, bob);

        await alice.Send($"<iq xmlns='jabber:client' type='get' id='ask1' to='{bob.Jid}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
        var asked = await bob.Expect(e => e.Is("iq", Ns.Client) && e["type"] == "get" && e["id"] == "ask1", "the request");
        Assert.Equal(alice.Jid, asked["from"]);
        await bob.Send($"<iq xmlns='jabber:client' type='result' id='ask1' to='{alice.Jid}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
        var answer = await alice.Expect(e => e.Is("iq", Ns.Client) && e["id"] == "ask1", "the answer");
        Assert.Equal("result", answer["type"]);

        var gone = await alice.Request($"<iq type='get' to='{bob.BareJid}/no-such-device'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
        Assert.NotNull(gone.Child("error", Ns.Client)?.Child("service-unavailable", Ns.StanzaErrors));
    }

    [Fact]
    public async Task Blocking_holds_on_every_node_and_the_other_device_is_told()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var phone = await Chat.Appear(cluster, 1, names[0], "phone");
        await using var desk = await Chat.Appear(cluster, 2, names[0], "desk");
        await using var bob = await Chat.Appear(cluster, 3, names[1], "phone");
        await desk.Request($"<iq type='get'><blocklist xmlns='{Ns.Blocking}'/></iq>");

        await phone.Request($"<iq type='set'><block xmlns='{Ns.Blocking}'><item jid='{bob.BareJid}'/></block></iq>");
        await desk.Expect(e => e.Is("iq", Ns.Client) && e["type"] == "set" && e.Child("block", Ns.Blocking) is not null, "the push");
        await bob.Say(phone.BareJid, "blocked");
        await bob.Expect(e => e.Is("message", Ns.Client) && e["type"] == "error", "the refusal");
        Assert.Empty(await phone.HearAll());
        Assert.Empty(await desk.HearAll());

        await desk.Request($"<iq type='set'><unblock xmlns='{Ns.Blocking}'><item jid='{bob.BareJid}'/></unblock></iq>");
        await bob.Say(phone.BareJid, "unblocked");
        await phone.Hear("unblocked");
    }
}
