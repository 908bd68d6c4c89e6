using Indaba.Server.Storage;
using Xunit;

namespace Indaba.Server.Tests.Storage;

public sealed class SqliteSmallStoreTests() : SmallStoreTests(Store.Sqlite);

public sealed class PostgresSmallStoreTests() : SmallStoreTests(Store.Postgres);

/// <summary>Invitations, and the values of modules.</summary>
public abstract class SmallStoreTests(Store store) : StoreTests(store)
{
    [Fact]
    public async Task Values_are_kept_by_account_store_and_key()
    {
        await using var data = await NewAsync();
        var (store, id, other) = (new DataStore(data.Database), await data.NewAccountAsync(), await data.NewAccountAsync("romeo"));
        Assert.Null(await store.GetAsync(id, "s", "k", TestData.Cancel));
        await store.SetAsync(id, "s", "k", [1], TestData.Cancel);
        await store.SetAsync(id, "s", "k", [2, 3], TestData.Cancel);
        await store.SetAsync(id, "s", "", [], TestData.Cancel);
        await store.SetAsync(id, "t", "k", [4], TestData.Cancel);
        await store.SetAsync(other, "s", "k", [5], TestData.Cancel);
        Assert.Equal<byte[]>([2, 3], await store.GetAsync(id, "s", "k", TestData.Cancel));
        Assert.Empty((await store.GetAsync(id, "s", "", TestData.Cancel))!);
        Assert.Equal(["", "k"], (await store.ListAsync(id, "s", 10, cancel: TestData.Cancel)).Select(p => p.Key));
        Assert.Equal(["k"], (await store.ListAsync(id, "s", 10, "", TestData.Cancel)).Select(p => p.Key));
        Assert.Equal([""], (await store.ListAsync(id, "s", 1, cancel: TestData.Cancel)).Select(p => p.Key));
        Assert.True(await store.DeleteAsync(id, "s", "k", TestData.Cancel));
        Assert.False(await store.DeleteAsync(id, "s", "k", TestData.Cancel));
        Assert.Equal(1, await store.DeleteAllAsync(id, "s", TestData.Cancel));
        Assert.Equal<byte[]>([4], await store.GetAsync(id, "t", "k", TestData.Cancel));
        Assert.Equal<byte[]>([5], await store.GetAsync(other, "s", "k", TestData.Cancel));
    }

    [Fact]
    public async Task An_invitation_has_so_many_uses_and_an_end()
    {
        await using var data = await NewAsync();
        var store = new InvitationStore(data.Database);
        var invitation = New(data, "token", 3);
        Assert.True(await store.CreateAsync(invitation, TestData.Cancel));
        Assert.False(await store.CreateAsync(invitation, TestData.Cancel));
        Assert.Equal(invitation, await store.FindAsync("token", TestData.Cancel));
        Task<Invitation?>[] uses;
        using (await data.HoldWriterAsync()) uses = [.. Enumerable.Range(0, 5).Select(_ => store.TryUseAsync("token", TestData.Cancel))];
        Assert.Equal([1, 2, 3], (await Task.WhenAll(uses)).OfType<Invitation>().Select(i => i.Uses).Order());
        Assert.Null(await store.FindAsync("token", TestData.Cancel));
        Assert.Null(await store.TryUseAsync("unknown", TestData.Cancel));

        await store.CreateAsync(New(data, "late", 3), TestData.Cancel);
        data.Time.Advance(TimeSpan.FromDays(2));
        Assert.Null(await store.FindAsync("late", TestData.Cancel));
        Assert.Null(await store.TryUseAsync("late", TestData.Cancel));
        Assert.Equal(1, await store.PruneAsync(data.Time.GetUtcNow(), 1, TestData.Cancel));
        Assert.Equal(1, await store.PruneAsync(data.Time.GetUtcNow(), 10, TestData.Cancel));
    }

    [Fact]
    public async Task Invitations_are_listed_and_revoked_by_their_maker()
    {
        await using var data = await NewAsync();
        var (store, id, other) = (new InvitationStore(data.Database), await data.NewAccountAsync(), await data.NewAccountAsync("romeo"));
        await store.CreateAsync(New(data, "operators", 1), TestData.Cancel);
        foreach (var token in new[] { "one", "two" })
        {
            data.Time.Advance(TimeSpan.FromMinutes(1));
            await store.CreateAsync(New(data, token, 1) with { CreatedBy = id, RosterJid = "juliet@example.org" }, TestData.Cancel);
        }
        Assert.Equal(["two", "one"], (await store.ListAsync(id, 10, TestData.Cancel)).Select(i => i.Token));
        Assert.Equal(["two", "one", "operators"], (await store.ListAsync(null, 10, TestData.Cancel)).Select(i => i.Token));
        Assert.False(await store.RevokeAsync("one", other, TestData.Cancel));
        Assert.True(await store.RevokeAsync("one", id, TestData.Cancel));
        Assert.True(await store.RevokeAsync("operators", null, TestData.Cancel));
        Assert.Equal(["two"], (await store.ListAsync(null, 10, TestData.Cancel)).Select(i => i.Token));
    }

    [Fact]
    public async Task A_registration_uses_the_invitation_only_when_it_succeeds()
    {
        await using var data = await NewAsync();
        var store = new InvitationStore(data.Database);
        await store.CreateAsync(New(data, "token", 1) with { Role = Role.Admin }, TestData.Cancel);
        await data.NewAccountAsync("taken");
        Assert.Equal(InvitedOutcome.InvitationInvalid, (await data.Accounts.CreateInvitedAsync("wrong", "juliet", "example.org", [], TestData.Cancel)).Outcome);
        Assert.Equal(InvitedOutcome.NameTaken, (await data.Accounts.CreateInvitedAsync("token", "taken", "example.org", [], TestData.Cancel)).Outcome);
        Task<InvitedResult>[] tries;
        using (await data.HoldWriterAsync())
            tries = [.. Enumerable.Range(0, 4).Select(i => data.Accounts.CreateInvitedAsync("token", $"user{i}", "example.org", [], TestData.Cancel))];
        var created = Assert.Single(await Task.WhenAll(tries), result => result.Outcome == InvitedOutcome.Created);
        Assert.Equal((Role.Admin, 1), (created.Account!.Role, created.Invitation!.Uses));
        Assert.Equal(2, await data.Accounts.CountAsync(TestData.Cancel));
    }

    private static Invitation New(TestData data, string token, int uses) =>
        new(token, "account", null, data.Time.GetUtcNow(), data.Time.GetUtcNow().AddDays(1), uses, 0, Role.User, null);
}
