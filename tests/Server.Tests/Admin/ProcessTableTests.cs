using Indaba.Server.Admin;
using Indaba.Server.Tests.Accounts;
using Indaba.Server.Tests.Wire;
using Xunit;

namespace Indaba.Server.Tests.Admin;

/// <summary>Two nodes' sessions in one table: each asks the other and answers it, in bytes.</summary>
public sealed class ProcessTableTests
{
    [Fact]
    public async Task Rows_of_all_nodes_come_together()
    {
        await using var one = await RunningNode.StartNew();
        await using var two = await RunningNode.StartNew();
        await one.AddAccounts(["alice"]);
        await two.AddAccounts(["bob"]);
        await using var alice = await WireClient.Login(one, "alice", "phone");
        await using var bob = await WireClient.Login(two, "bob", "desk");
        var far = new ProcessTable(two.Node.Sessions);
        var near = new ProcessTable(one.Node.Sessions)
        {
            AskOthers = (kind, question, _) => Task.FromResult<IReadOnlyList<byte[]>>(far.Answer(kind, question) is { } answer ? [answer] : []),
        };
        Assert.Equal(["alice@localhost/phone", "bob@localhost/desk"], (await near.SessionsAsync(default)).Select(s => s.Jid));
        Assert.Equal(["bob@localhost/desk"], (await far.SessionsAsync(default)).Select(s => s.Jid));
        Assert.Equal(["phone", "desk"], (await near.DevicesAsync(null, 0, default)).Select(s => s.BoundResource));
        Assert.Equal([("r:phone", false)], (await near.DevicesAsync(one.Node.Sessions.All.Single().Account.Id, 1, default)).Where(s => s.BoundResource == "phone").Select(s => (s.Device, s.Holds)));
        Assert.Null(far.Answer("something of a newer node", []));
        await one.StopNode();
        await two.StopNode();
    }
}
