using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Cluster.Tests;

/// <summary>Messages between people on different nodes.</summary>
[Collection(OneCluster.Name)]
public sealed class MessageTests(RunningCluster cluster)
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 2)]
    [InlineData(2, 3)]
    [InlineData(3, 1)]
    public async Task A_message_goes_from_node_to_node_and_into_both_archives(int from, int to)
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var bob = await Chat.Appear(cluster, to, names[1], "phone");
        await using var alice = await Chat.Appear(cluster, from, names[0], "phone");

        await alice.Say(bob.BareJid, "wherefore art thou");

        var heard = await bob.Hear("wherefore art thou");
        Assert.Equal(alice.Jid, heard["from"]);
        Assert.Contains(heard.Children("stanza-id", Ns.StanzaIds), s => s["by"] == bob.BareJid);
        Assert.Equal(["wherefore art thou"], await Chat.Archive(bob));
        Assert.Equal(["wherefore art thou"], await Chat.Archive(alice));
    }

    [Fact]
    public async Task Messages_keep_their_order_and_come_once()
    {
        const int count = 300;
        var names = await cluster.Accounts("alice", "bob");
        await using var bob = await Chat.Appear(cluster, 2, names[1], "phone");
        await using var alice = await Chat.Appear(cluster, 1, names[0], "phone");

        for (var i = 0; i < count; i++) await alice.Say(bob.BareJid, $"{i}");
        await bob.Hear($"{count - 1}");

        string[] expected = [.. Enumerable.Range(0, count).Select(i => $"{i}")];
        Assert.Equal(expected[..^1], await bob.HearAll());
        Assert.Equal(expected, await Chat.Archive(bob));
    }

    [Fact]
    public async Task What_came_while_nobody_was_there_is_delivered_at_a_login_on_another_node()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using (var bob = await Chat.Appear(cluster, 1, names[1], "phone")) await bob.Close();
        await using var alice = await Chat.Appear(cluster, 2, names[0], "phone");
        for (var i = 0; i < 5; i++) await alice.Say($"{names[1]}@localhost", $"offline {i}");
        await alice.Barrier();

        await using var again = await WireClient.Login(cluster.Node(3), names[1], "phone");
        await again.EnableSm(); // so that its acks, and nothing else, say what it has
        await again.Appear();

        for (var i = 0; i < 5; i++) await again.Hear($"offline {i}");
        await again.Close();
        await using var later = await Chat.Appear(cluster, 1, names[1], "phone");
        Assert.Empty(await later.HearAll());
    }

    [Fact]
    public async Task A_message_sent_again_through_another_node_is_the_same_message()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var bob = await Chat.Appear(cluster, 3, names[1], "phone");
        await using (var alice = await Chat.Appear(cluster, 1, names[0], "phone"))
        {
            await alice.Say(bob.BareJid, "once");
            await alice.Barrier();
            alice.Cut();
        }
        await using var again = await Chat.Appear(cluster, 2, names[0], "phone");
        await again.Say(bob.BareJid, "once");
        await again.Barrier();

        await bob.Hear("once");
        Assert.Empty(await bob.HearAll());
        Assert.Equal(["once"], await Chat.Archive(bob));
        Assert.Equal(["once"], await Chat.Archive(again));
    }

    [Fact]
    public async Task Receipts_and_displayed_markers_come_back_across_nodes_also_later()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var bob = await Chat.Appear(cluster, 2, names[1], "phone");
        await using var alice = await Chat.Appear(cluster, 1, names[0], "phone");
        await alice.Say(bob.BareJid, "ticks", $"<request xmlns='{Ns.Receipts}'/><markable xmlns='{Ns.ChatMarkers}'/>");
        await bob.Hear("ticks");

        await bob.Send($"<message xmlns='jabber:client' to='{alice.BareJid}' type='chat' id='r1'><received xmlns='{Ns.Receipts}' id='{Chat.Id("ticks")}'/></message>");
        await alice.Expect(e => e.Child("received", Ns.Receipts)?["id"] == Chat.Id("ticks"), "the receipt");
        await alice.Close();
        await bob.Send($"<message xmlns='jabber:client' to='{alice.BareJid}' type='chat' id='d1'><displayed xmlns='{Ns.ChatMarkers}' id='{Chat.Id("ticks")}'/></message>");
        await bob.Barrier();

        await using var later = await Chat.Appear(cluster, 3, names[0], "phone");
        await later.Expect(e => e.Child("displayed", Ns.ChatMarkers)?["id"] == Chat.Id("ticks"), "the displayed marker");
    }

    [Fact]
    public async Task A_message_to_nobody_comes_back_from_any_node()
    {
        var names = await cluster.Accounts("alice");
        await using var alice = await Chat.Appear(cluster, 3, names[0], "phone");
        await alice.Say("nobody-at-all@localhost", "hello?");
        var error = await alice.Expect(e => e.Is("message", Ns.Client) && e["type"] == "error", "the error");
        Assert.Equal(Chat.Id("hello?"), error["id"]);
    }
}
