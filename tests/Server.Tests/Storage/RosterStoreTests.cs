using Indaba.Server.Storage;
using Xunit;

namespace Indaba.Server.Tests.Storage;

public sealed class SqliteRosterStoreTests() : RosterStoreTests(Store.Sqlite);

public sealed class PostgresRosterStoreTests() : RosterStoreTests(Store.Postgres);

public abstract class RosterStoreTests(Store store) : StoreTests(store)
{
    private static RosterItem Item(string jid, Subscription subscription = Subscription.None) => new(jid, null, subscription, false, null, false, []);

    [Fact]
    public async Task Items_come_back_as_they_were_with_the_version_of_their_change()
    {
        await using var data = await NewAsync();
        var (store, id) = (new RosterStore(data.Database), await data.NewAccountAsync());
        Assert.Equal(0, (await store.LoadAsync(id, TestData.Cancel)).Version);
        var full = new RosterItem("romeo@example.net", "Röm\"eo", Subscription.From, true, "<presence/>"u8.ToArray(), true, ["Friends", "a,b", ""]);
        Assert.Equal(1, await store.UpsertAsync(id, full, TestData.Cancel));
        Assert.Equal(2, await store.UpsertAsync(id, Item("nurse@example.net"), TestData.Cancel));
        Assert.Equal(3, await store.UpsertAsync(id, Item("nurse@example.net", Subscription.Both), TestData.Cancel));
        var roster = await store.LoadAsync(id, TestData.Cancel);
        Assert.Equal(3, roster.Version);
        Assert.Equivalent(new[] { full with { Version = 1 }, Item("nurse@example.net", Subscription.Both) with { Version = 3 } }, roster.Items.OrderBy(i => i.Version), strict: true);
        Assert.Empty((await store.LoadAsync(await data.NewAccountAsync("paris"), TestData.Cancel)).Items);
    }

    [Fact]
    public async Task Changes_since_a_version_are_each_item_once_with_removals()
    {
        await using var data = await NewAsync();
        var (store, id) = (new RosterStore(data.Database), await data.NewAccountAsync());
        foreach (var jid in new[] { "a", "b", "c" }) await store.UpsertAsync(id, Item(jid), TestData.Cancel);
        await store.UpsertAsync(id, Item("a", Subscription.To), TestData.Cancel);
        Assert.Equal(5, await store.DeleteAsync(id, "b", TestData.Cancel));
        Assert.Null(await store.DeleteAsync(id, "b", TestData.Cancel));
        Assert.Null(await store.DeleteAsync(id, "x", TestData.Cancel));
        var changes = await store.ChangesSinceAsync(id, 2, TestData.Cancel);
        Assert.Equal(5, changes!.Version);
        Assert.Equal([("c", 3L, Subscription.None), ("a", 4, Subscription.To), ("b", 5, null)], changes.Changes.Select(c => (c.Jid, c.Version, c.Item?.Subscription)));
        Assert.Empty((await store.ChangesSinceAsync(id, 5, TestData.Cancel))!.Changes);
        Assert.Null(await store.ChangesSinceAsync(id, 6, TestData.Cancel));
        Assert.Equal(["a", "c"], (await store.LoadAsync(id, TestData.Cancel)).Items.Select(i => i.Jid).Order());
        Assert.Equal(6, await store.UpsertAsync(id, Item("b"), TestData.Cancel)); // comes back
        Assert.Equal([("b", false)], (await store.ChangesSinceAsync(id, 5, TestData.Cancel))!.Changes.Select(c => (c.Jid, c.Item is null)));
    }

    [Fact]
    public async Task Removals_are_remembered_up_to_a_bound_and_older_versions_are_told_so()
    {
        await using var data = await NewAsync();
        var (store, id) = (new RosterStore(data.Database), await data.NewAccountAsync());
        const int more = 5, all = RosterStore.MaxTombstones + more;
        for (var i = 0; i < all; i++) await store.UpsertAsync(id, Item($"c{i}"), TestData.Cancel);
        for (var i = 0; i < all - 1; i++) await store.DeleteAsync(id, $"c{i}", TestData.Cancel);
        await store.DeleteAsync(id, $"c{all - 1}", TestData.Cancel);
        Assert.Equal(RosterStore.MaxTombstones, await data.NumberAsync("SELECT count(*) FROM roster_item"));
        Assert.Null(await store.ChangesSinceAsync(id, all + more - 1, TestData.Cancel));
        Assert.Equal(RosterStore.MaxTombstones, (await store.ChangesSinceAsync(id, all + more, TestData.Cancel))!.Changes.Count);
    }
}
