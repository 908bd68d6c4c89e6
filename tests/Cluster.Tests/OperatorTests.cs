using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Cluster.Tests;

/// <summary>What an operator does while people chat.</summary>
[Collection(OneCluster.Name)]
public sealed class OperatorTests(RunningCluster cluster)
{
    [Fact]
    public async Task A_new_password_ends_the_sessions_on_all_nodes()
    {
        var name = await cluster.Account("alice");
        await using var one = await Chat.Appear(cluster, 1, name, "one");
        await using var two = await Chat.Appear(cluster, 2, name, "two");
        await using var three = await Chat.Appear(cluster, 3, name, "three");

        await cluster.Command(2, "user", "passwd", name, "--password", "another-secret");

        foreach (var client in new[] { one, two, three }) Assert.Equal("not-authorized", await client.ExpectStreamError());
        await using var again = await WireClient.Login(cluster.Node(3), name, "one", password: "another-secret");
        await using var old = await WireClient.Connect(cluster.Node(1));
        Assert.Equal("failure", (await old.TryAuthenticate(name, TestServer.Password)).Name);
    }

    [Fact]
    public async Task A_deleted_account_is_gone_from_all_nodes_and_its_contacts_are_told()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var alice = await Chat.Appear(cluster, 1, names[0], "phone");
        await using var desk = await Chat.Appear(cluster, 3, names[0], "desk");
        await using var bob = await Chat.Appear(cluster, 2, names[1], "phone");
        await Chat.Subscribe(bob, alice);

        await cluster.Command(3, "user", "delete", names[0], "--yes");

        Assert.Equal("not-authorized", await alice.ExpectStreamError());
        Assert.Equal("not-authorized", await desk.ExpectStreamError());
        await bob.Expect(e => e.Is("presence", Ns.Client) && e["from"] == alice.BareJid && e["type"] is "unsubscribed" or "unavailable", "that the contact has gone");
        await using var old = await WireClient.Connect(cluster.Node(2));
        Assert.Equal("failure", (await old.TryAuthenticate(names[0], TestServer.Password)).Name);
    }

    [Fact]
    public async Task Every_node_shows_all_nodes()
    {
        foreach (var node in cluster.Run.Nodes)
        {
            var shown = await cluster.Command(node.Number, "cluster");
            foreach (var other in cluster.Run.Nodes) Assert.Contains($"{other.Place.C2s}", shown, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_setting_is_changed_on_all_nodes_at_once()
    {
        await cluster.Command(1, "settings", "set", "limits.sessionsPerAccount", "19");
        try
        {
            foreach (var node in cluster.Run.Nodes)
            {
                using var limit = new CancellationTokenSource(WireClient.Limit);
                while (!Shows(await cluster.Command(node.Number, "settings"), "limits.sessionsPerAccount", "19")) limit.Token.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            await cluster.Command(2, "settings", "unset", "limits.sessionsPerAccount");
        }

        static bool Shows(string table, string key, string value) =>
            table.Split('\n').Any(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var k, var v, ..] && k == key && v == value);
    }

    [Fact]
    public async Task A_node_is_added_drained_and_removed_while_messages_flow()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var flow = await Flow.Start(cluster.Balancer, names[0], names[1]);
        await flow.AwaitMore(20);

        var added = await cluster.Run.Add();
        try
        {
            await flow.AwaitMore(20);
            await using (var guest = await WireClient.Login(cluster.Node(added.Number), names[0], "guest")) await guest.Barrier();

            // the node that may hold them, and then the new one
            await cluster.Command(1, "drain", "--wait");
            await flow.AwaitMore(20);
            await cluster.Process(1).Stop();
            await flow.AwaitMore(20);
            await cluster.Process(1).Start();
            await flow.AwaitMore(20);
        }
        finally
        {
            await cluster.Run.Remove(added);
            await cluster.Mend();
        }
        await flow.AwaitMore(20);
        await flow.Finish();
        Assert.Empty(flow.Faults);
        Assert.Equal(flow.Sent, flow.Heard);
    }
}
