using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Cluster;

public sealed class SqliteNodeStoreTests() : NodeStoreTests(Store.Sqlite);

public sealed class PostgresNodeStoreTests() : NodeStoreTests(Store.Postgres);

/// <summary>The table of nodes: one row each, aged by the database's clock, forgotten when it is old.</summary>
public abstract class NodeStoreTests(Store store) : StoreTests(store)
{
    private static NodeRow Row(string name, int sessions = 0) => new(name, "10.0.0.1", "c2s:5222", "0.1.0", "gateway,core", "serving",
        DateTimeOffset.FromUnixTimeMilliseconds(1_000), default, sessions, 2, 12.5, 100_000_000, 1.25, 3.5, 4);

    [Fact]
    public async Task A_node_has_one_row_that_says_how_it_is_by_the_databases_clock()
    {
        await using var data = await NewAsync();
        var store = new NodeStore(data.Database);
        await store.BeatAsync(Row("n-a"));
        await store.BeatAsync(Row("n-b"));
        await store.BeatAsync(Row("n-a", sessions: 7) with { State = "draining" });
        var (nodes, now) = await store.ListAsync();
        Assert.Equal(["n-a", "n-b"], nodes.Select(n => n.Name));
        Assert.InRange((now - nodes[0].BeatAt).TotalSeconds, 0, TestData.Limit.TotalSeconds);
        Assert.Equal(Row("n-a", sessions: 7) with { State = "draining", BeatAt = nodes[0].BeatAt }, nodes[0]);
    }

    [Fact]
    public async Task A_node_that_leaves_is_gone_and_one_that_died_is_forgotten_later()
    {
        await using var data = await NewAsync();
        var store = new NodeStore(data.Database);
        foreach (var name in new[] { "n-left", "n-dead", "n-here" }) await store.BeatAsync(Row(name));
        await store.RemoveAsync("n-left");
        await data.Database.WriteAsync(c => c.Run("UPDATE node SET beat_at = beat_at - 3700000 WHERE name = 'n-dead'"));
        Assert.Equal(1, await store.PruneAsync(TimeSpan.FromHours(1)));
        Assert.Equal(["n-here"], (await store.ListAsync()).Nodes.Select(n => n.Name));
    }
}
