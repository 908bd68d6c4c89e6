using System.Text.Json;
using Indaba.Server.Admin;
using Indaba.Server.Cluster;
using Indaba.Server.Tests.Accounts;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Server.Tests.Cluster;

/// <summary>A node is emptied bit by bit and says so everywhere; nothing is lost by it.</summary>
public sealed class DrainTests
{
    [Fact]
    public async Task Sessions_end_with_reset_new_streams_too_and_what_was_not_acked_stays_pending()
    {
        await using var server = await RunningNode.StartNew(o => o with { Cluster = o.Cluster with { DrainNoticeSeconds = 0, DrainSeconds = 0 } });
        await server.AddAccounts(["alice", "bob"]);
        await using var alice = await WireClient.Login(server, "alice", "phone");
        await using var bob = await WireClient.Login(server, "bob", "phone");
        await bob.Send($"<enable xmlns='{Ns.StreamManagement}' resume='true'/>");
        await bob.Expect(e => e.Is("enabled", Ns.StreamManagement), "enabled");
        await bob.Appear();
        await alice.Send("<message to='bob@localhost' type='chat' id='m1'><body>hello</body></message>");
        await bob.Expect(e => e.Is("message", Ns.Client), "the message, which bob does not ack");

        await using var drain = new Drain(server.Node);
        drain.Begin(stop: false);
        Assert.Equal("reset", await alice.ExpectStreamError());
        Assert.Equal("reset", await bob.ExpectStreamError());
        await Until(() => drain.Status.Phase == "drained");
        Assert.Equal((NodeState.Draining, 0), (server.Node.Lifecycle.State, server.Node.Sessions.Count));

        var late = await WireClient.Dial(server);
        await using (late)
        {
            await late.SendRaw(System.Text.Encoding.UTF8.GetBytes($"<stream:stream to='localhost' version='1.0' xmlns='{Ns.Client}' xmlns:stream='{Ns.Stream}'>"));
            Assert.Equal("reset", await late.ExpectStreamError());
        }
        Assert.False(drain.StopAsked.IsCompleted);
        drain.Begin(stop: true); // it is drained already: asking for the stop is enough
        await drain.StopAsked.WaitAsync(WireClient.Limit);

        await server.StopNode();
        await server.StartNode();
        await using var again = await WireClient.Login(server, "bob", "phone");
        await again.Appear();
        Assert.Equal("m1", (await again.Expect(e => e.Is("message", Ns.Client), "the message again"))["id"]);
        await server.StopNode();
    }

    [Theory]
    [InlineData(0, 600)]
    [InlineData(7, 600)]
    [InlineData(5_000, 600)]
    [InlineData(5_001, 1)]
    [InlineData(3, 0)]
    public void Sessions_go_evenly_over_the_turns_and_none_is_left_at_the_end(int sessions, int turns)
    {
        var most = turns <= 1 ? sessions : (sessions + turns - 1) / turns;
        var left = sessions;
        for (var turn = turns; turn >= 0 && left > 0; turn--)
        {
            var share = Drain.Share(left, turn);
            Assert.InRange(share, 1, most);
            left -= share;
        }
        Assert.Equal(0, left);
    }

    [Fact]
    public async Task The_command_shows_it_and_the_process_ends_with_its_own_code()
    {
        await using var server = await ServerProcess.StartNew("--set", "cluster.drainSeconds=0", "--set", "cluster.drainNoticeSeconds=1");
        await server.AddAccounts(["alice"]);
        await using var alice = await WireClient.Login(server, "alice", "phone");
        var process = server.Process!;
        var node = Assert.Single(JsonSerializer.Deserialize(await server.Command("cluster", "--json"), AdminJson.Default.NodeList)!.Nodes);
        Assert.Equal(("serving", true, 1, 1), (node.State, node.ThisOne, node.Sessions, node.Accounts));

        Assert.Contains("takes this node out", await server.Command("drain"), StringComparison.Ordinal);
        Assert.Contains("draining", await server.Command("cluster"), StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<WireException>(() => server.Command("health"));
        Assert.Contains("not ready: draining", refused.Message, StringComparison.Ordinal);
        Assert.Equal("reset", await alice.ExpectStreamError());
        Assert.Contains("the server has ended", await server.Command("drain", "--wait", "--stop"), StringComparison.Ordinal);
        await process.WaitForExitAsync().WaitAsync(WireClient.Limit);
        Assert.Equal(ServerRun.DrainedAndStopped, process.ExitCode);
    }

    private static async Task Until(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(WireClient.Limit);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!condition()) await timer.WaitForNextTickAsync(limit.Token);
    }
}
