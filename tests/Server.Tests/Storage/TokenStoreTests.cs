using Indaba.Server.Storage;
using Xunit;

namespace Indaba.Server.Tests.Storage;

public sealed class SqliteTokenStoreTests() : TokenStoreTests(Store.Sqlite);

public sealed class PostgresTokenStoreTests() : TokenStoreTests(Store.Postgres);

/// <summary>XEP-0484, sections 3.5 to 3.7 and 5.1.</summary>
public abstract class TokenStoreTests(Store store) : StoreTests(store)
{
    [Fact]
    public async Task A_new_token_leaves_the_old_one_alive_until_it_is_used()
    {
        await using var data = await NewAsync();
        var (store, id) = (new TokenStore(data.Database), await data.NewAccountAsync());
        await store.IssueAsync(AccountStoreTests.Token(data, id, "phone", "first"), TestData.Cancel);
        Assert.True(await store.UseAsync(Assert.Single(await store.LoadAsync(id, "phone", TestData.Cancel)), null, TestData.Cancel));
        await store.IssueAsync(AccountStoreTests.Token(data, id, "phone", "lost"), TestData.Cancel);
        await store.IssueAsync(AccountStoreTests.Token(data, id, "phone", "second"), TestData.Cancel);
        var both = await store.LoadAsync(id, "phone", TestData.Cancel);
        Assert.Equal([("second", TokenSlot.New), ("first", TokenSlot.Current)], both.Select(t => (t.Secret, t.Slot)));
        Assert.True(await store.UseAsync(both[1], null, TestData.Cancel));
        Assert.True(await store.UseAsync(both[0], null, TestData.Cancel));
        Assert.Equal([("second", TokenSlot.Current)], (await store.LoadAsync(id, "phone", TestData.Cancel)).Select(t => (t.Secret, t.Slot)));
        Assert.False(await store.UseAsync(both[1], null, TestData.Cancel));
        Assert.True(await store.UseAsync(both[0], null, TestData.Cancel)); // as the caller had read it, before it moved
    }

    [Fact]
    public async Task A_count_must_rise()
    {
        await using var data = await NewAsync();
        var (store, id) = (new TokenStore(data.Database), await data.NewAccountAsync());
        await store.IssueAsync(AccountStoreTests.Token(data, id, "phone"), TestData.Cancel);
        async Task<bool> Use(long? count) => await store.UseAsync((await store.LoadAsync(id, "phone", TestData.Cancel))[0], count, TestData.Cancel);
        Assert.True(await Use(3));
        Assert.False(await Use(3));
        Assert.False(await Use(2));
        Assert.True(await Use(null));
        Assert.False(await Use(3));
        Assert.True(await Use(4));
        Assert.Equal(4, (await store.LoadAsync(id, "phone", TestData.Cancel))[0].LastCount);
    }

    [Fact]
    public async Task Of_replays_at_the_same_time_one_is_accepted()
    {
        await using var data = await NewAsync();
        var (store, id) = (new TokenStore(data.Database), await data.NewAccountAsync());
        await store.IssueAsync(AccountStoreTests.Token(data, id, "phone"), TestData.Cancel);
        var token = (await store.LoadAsync(id, "phone", TestData.Cancel))[0];
        Task<bool>[] uses;
        using (await data.HoldWriterAsync()) uses = [.. Enumerable.Range(0, 8).Select(_ => store.UseAsync(token, 1, TestData.Cancel))];
        Assert.Single(await Task.WhenAll(uses), accepted => accepted);
    }

    [Fact]
    public async Task A_token_ends_by_time_by_wish_and_with_its_device()
    {
        await using var data = await NewAsync();
        var (store, id) = (new TokenStore(data.Database), await data.NewAccountAsync());
        foreach (var device in new[] { "a", "b", "c", "d" }) await store.IssueAsync(AccountStoreTests.Token(data, id, device, device, device == "a" ? 1 : 48), TestData.Cancel);
        var old = (await store.LoadAsync(id, "a", TestData.Cancel))[0];
        data.Time.Advance(TimeSpan.FromHours(1));
        Assert.Empty(await store.LoadAsync(id, "a", TestData.Cancel));
        Assert.False(await store.UseAsync(old, null, TestData.Cancel));
        Assert.Equal(1, await store.PruneAsync(10, TestData.Cancel));
        var gone = (await store.LoadAsync(id, "b", TestData.Cancel))[0];
        Assert.True(await store.InvalidateAsync(gone, TestData.Cancel));
        Assert.False(await store.InvalidateAsync(gone, TestData.Cancel));
        Assert.False(await store.UseAsync(gone, null, TestData.Cancel));
        Assert.Equal(1, await store.InvalidateAllAsync(id, "c", TestData.Cancel));
        Assert.Equal(1, await store.InvalidateAllAsync(id, null, TestData.Cancel));
    }

    [Fact]
    public async Task A_use_is_checked_although_it_costs_no_write()
    {
        await using var data = await NewAsync();
        var (store, id) = (new TokenStore(data.Database), await data.NewAccountAsync());
        await store.IssueAsync(AccountStoreTests.Token(data, id, "phone"), TestData.Cancel);
        Assert.True(await store.UseAsync((await store.LoadAsync(id, "phone", TestData.Cancel))[0], null, TestData.Cancel));
        var token = (await store.LoadAsync(id, "phone", TestData.Cancel))[0];
        using var commits = data.Count("indaba.storage.commits");
        Assert.True(await store.UseAsync(token, null, TestData.Cancel));
        Assert.Equal(0, commits.Sum);
        await data.Accounts.SetPasswordAsync(id, [], TestData.Cancel);
        Assert.False(await store.UseAsync(token, null, TestData.Cancel));
    }

    [Fact]
    public async Task An_account_has_tokens_for_so_many_devices()
    {
        await using var data = await NewAsync();
        var (store, id) = (new TokenStore(data.Database), await data.NewAccountAsync());
        for (var i = 0; i < TokenStore.MaxDevices + 3; i++)
            await store.IssueAsync(AccountStoreTests.Token(data, id, $"d{i}", hours: 24 + i), TestData.Cancel);
        Assert.Equal(TokenStore.MaxDevices, await data.NumberAsync("SELECT count(DISTINCT device) FROM token"));
        Assert.Empty(await store.LoadAsync(id, "d2", TestData.Cancel));
        Assert.Single(await store.LoadAsync(id, "d3", TestData.Cancel));
    }

    [Fact]
    public async Task Devices_are_remembered_and_taken_back_with_all_they_hold()
    {
        await using var data = await NewAsync();
        var (devices, id) = (new DeviceStore(data.Database), await data.NewAccountAsync());
        await devices.SeenAsync(id, "phone", "Phone", "Indaba", "r1", TestData.Cancel);
        var first = data.Time.GetUtcNow();
        data.Time.Advance(TimeSpan.FromHours(5));
        await devices.SeenAsync(id, "phone", "Phone 2", null, "r2", TestData.Cancel);
        var row = await devices.FindAsync(id, "phone", TestData.Cancel);
        Assert.Equal(new DeviceRow("phone", "Phone 2", null, "r2", first, data.Time.GetUtcNow()), row);
        await new TokenStore(data.Database).IssueAsync(AccountStoreTests.Token(data, id, "phone"), TestData.Cancel);
        data.Log.Cursors.Move(id, "phone", "", 5);
        await data.Log.Cursors.FlushAsync(TestData.Cancel);
        Assert.True(await devices.DeleteAsync(id, "phone", TestData.Cancel));
        Assert.False(await devices.DeleteAsync(id, "phone", TestData.Cancel));
        Assert.Empty(await new TokenStore(data.Database).LoadAsync(id, "phone", TestData.Cancel));
        Assert.Empty(await data.Log.Cursors.LoadAsync(id, TestData.Cancel));
        for (var i = 0; i < DeviceStore.MaxDevices + 2; i++)
        {
            data.Time.Advance(TimeSpan.FromSeconds(1));
            await devices.SeenAsync(id, $"d{i}", null, null, null, TestData.Cancel);
        }
        var all = await devices.ListAsync(id, TestData.Cancel);
        Assert.Equal(DeviceStore.MaxDevices, all.Count);
        Assert.Equal(("d101", "d2"), (all[0].Device, all[^1].Device));
    }
}
