using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Cluster.Tests;

/// <summary>A device comes back through another node than the one it was on.</summary>
[Collection(OneCluster.Name)]
public sealed class ResumptionTests(RunningCluster cluster)
{
    [Fact]
    public async Task A_stream_is_resumed_through_another_node_while_the_first_lives()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var bob = await Chat.Appear(cluster, 3, names[1], "phone");
        await using var first = await Managed(1, names[0]);
        await bob.Say(first.BareJid, "acked");
        await first.Hear("acked");
        first.Cut();
        await bob.Say(first.BareJid, "while it was cut");
        await bob.Barrier();

        await using var second = await WireClient.Connect(cluster.Node(2));
        await second.Authenticate(names[0], TestServer.Password);
        Assert.Equal("resumed", (await second.Resume(first)).Name);

        await second.Hear("while it was cut");
        await second.Say(bob.BareJid, "after it");
        await bob.Hear("after it");
        await second.AwaitAcks();
        Assert.Empty(await second.HearAll());
    }

    [Fact]
    public async Task A_stream_that_seems_open_is_resumed_through_another_node_and_the_old_connection_ended()
    {
        var name = await cluster.Account("alice");
        await using var first = await Managed(1, name);
        await using var second = await WireClient.Connect(cluster.Node(3));
        await second.Authenticate(name, TestServer.Password);
        Assert.Equal("resumed", (await second.Resume(first)).Name);
        await first.ExpectEnd();
        await second.Barrier();
    }

    [Fact]
    public async Task What_was_sent_on_a_cut_connection_and_not_acknowledged_is_sent_again_and_not_doubled()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var bob = await Chat.Appear(cluster, 2, names[1], "phone");
        await using var first = await Managed(1, names[0]);
        for (var i = 0; i < 20; i++) await first.Say(bob.BareJid, $"{i}");
        first.Cut(); // no ack was read

        await using var second = await WireClient.Connect(cluster.Node(3));
        await second.Authenticate(names[0], TestServer.Password);
        Assert.Equal("resumed", (await second.Resume(first)).Name);
        await second.AwaitAcks();

        await bob.Hear("19");
        Assert.Equal(Enumerable.Range(0, 19).Select(i => $"{i}"), await bob.HearAll());
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{i}"), await Chat.Archive(bob));
    }

    [Fact]
    public async Task After_SIGKILL_the_refusal_takes_back_no_ack_and_the_login_goes_on_in_the_same_round_trip()
    {
        var names = await cluster.Accounts("alice", "bob");
        var installation = Guid.NewGuid();
        await using var bob = await Chat.Appear(cluster, 2, names[1], "phone");
        await using var first = await OneTrip(1, names[0], installation, null);
        await first.Send("<presence xmlns='jabber:client'/>");
        await bob.Say(first.BareJid, "shown before");
        await first.Hear("shown before");
        await first.Say(bob.BareJid, "acked before");
        await first.AwaitAcks();
        await bob.Hear("acked before");
        var sent = first.Sm!.Acked;
        try
        {
            await cluster.Process(1).Kill();
            await first.Say(bob.BareJid, "never left").ContinueWith(_ => { }, TaskScheduler.Default); // into a dead connection
            await bob.Say($"{names[0]}@localhost", "while it was away");

            var (second, success) = await ReturnUntilServed(2, names[0], installation, first);
            await using var _ = second;
            var failed = success.Child("failed", Ns.StreamManagement);
            if (failed is not null)
            {
                // The session lived on the node that died.
                if (failed["h"] is { } h) first.Sm.OnAck(h);
                Assert.True(first.Sm.Acked >= sent, "h went back");
                Assert.NotNull(success.Child("bound", Ns.Bind2));
            }
            foreach (var stanza in first.Sm.Unacked) await second.SendRaw(stanza);
            await bob.Hear("never left");
            await second.Send("<presence xmlns='jabber:client'/>");
            await second.Barrier();
            List<string> seen = [.. await second.HearAll(), .. await Chat.Archive(second)];
            Assert.Contains("while it was away", seen);
            Assert.Equal(["shown before", "acked before", "while it was away", "never left"], (await Chat.Archive(second)).OrderBy(t => Array.IndexOf(["shown before", "acked before", "while it was away", "never left"], t)));
            Assert.Empty(await bob.HearAll());
        }
        finally
        {
            await cluster.Mend();
        }
    }

    [Fact]
    public async Task After_SIGKILL_of_its_node_somebody_else_sends_and_nothing_acked_is_lost_or_doubled()
    {
        const int count = 60;
        var names = await cluster.Accounts("alice", "bob");
        await using (var before = await Chat.Appear(cluster, 1, names[1], "phone"))
        {
            await using var alice = await Managed(2, names[0]);
            for (var i = 0; i < count / 2; i++) await alice.Say(before.BareJid, $"{i}");
            await alice.AwaitAcks();
            await before.Hear($"{count / 2 - 1}"); // read, and acknowledged by nothing
            try
            {
                await cluster.Process(1).Kill();
                for (var i = count / 2; i < count; i++) await alice.Say($"{names[1]}@localhost", $"{i}");
                await alice.AwaitAcks();
            }
            finally
            {
                await cluster.Mend();
            }
        }
        await using var after = await Chat.Appear(cluster, 3, names[1], "phone");
        await after.Hear($"{count - 1}");
        string[] all = [.. Enumerable.Range(0, count).Select(i => $"{i}")];
        Assert.Equal(all, await Chat.Archive(after));
    }

    private async Task<WireClient> Managed(int node, string account)
    {
        var client = await WireClient.Login(cluster.Node(node), account, "phone");
        await client.EnableSm();
        await client.Appear();
        return client;
    }

    private async Task<WireClient> OneTrip(int node, string account, Guid installation, WireClient? earlier)
    {
        var client = await WireClient.Connect(cluster.Node(node));
        var success = await Return(client, account, installation, earlier);
        Assert.Equal("success", success.Name);
        return client;
    }

    /// <summary>Tries until the cluster has noticed the death of the node.</summary>
    private async Task<(WireClient, Element)> ReturnUntilServed(int node, string account, Guid installation, WireClient earlier)
    {
        for (var attempt = 1; ; attempt++)
        {
            var client = await WireClient.Connect(cluster.Node(node));
            try
            {
                var success = await Return(client, account, installation, earlier);
                if (success.Name == "success") return (client, success);
                if (attempt == 10) throw client.Failed($"not served: {success}");
            }
            catch (WireException) when (attempt < 10)
            {
                // the stream was ended: again
            }
            await client.DisposeAsync();
        }
    }

    private static async Task<Element> Return(WireClient client, string account, Guid installation, WireClient? earlier)
    {
        List<Element> inline = [new Element("bind", Ns.Bind2).Add("tag", Ns.Bind2, "test").Add(new Element("enable", Ns.StreamManagement).With("resume", "true"))];
        if (earlier?.Sm is { } state) inline.Insert(0, new Element("resume", Ns.StreamManagement).With("previd", state.Id).With("h", $"{state.Received}"));
        var success = await client.Authenticate2(account, TestServer.Password, userAgent: installation, inline: inline);
        if (success.Child("bound", Ns.Bind2)?.Child("enabled", Ns.StreamManagement) is { } enabled) client.Sm = new SmState { Id = enabled["id"] };
        return success;
    }
}
