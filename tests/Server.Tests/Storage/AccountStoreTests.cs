using Indaba.Server.Storage;
using Xunit;

namespace Indaba.Server.Tests.Storage;

public sealed class SqliteAccountStoreTests() : AccountStoreTests(Store.Sqlite);

public sealed class PostgresAccountStoreTests() : AccountStoreTests(Store.Postgres);

public abstract class AccountStoreTests(Store store) : StoreTests(store)
{
    private static readonly Credential Old = new("SCRAM-SHA-256", [1, 2], 10_000, [3], [4]), New = new("SCRAM-SHA-1", [5], 4096, [6], [7, 8]);

    [Fact]
    public async Task A_name_is_given_once()
    {
        await using var data = await NewAsync();
        var account = await data.Accounts.CreateAsync("juliet", "example.org", Role.Admin, [Old], TestData.Cancel);
        Assert.NotNull(account);
        Assert.Matches("^[a-z2-7]{8}$", account.Tag);
        Assert.Equal(data.Time.GetUtcNow(), account.CreatedAt);
        Assert.Null(await data.Accounts.CreateAsync("juliet", "example.org", Role.User, [], TestData.Cancel));
        Assert.NotNull(await data.Accounts.CreateAsync("juliet", "example.net", Role.User, [], TestData.Cancel));
        Assert.Equal(account, await data.Accounts.FindAsync("juliet", "example.org", TestData.Cancel));
        Assert.Equal(account, await data.Accounts.FindByIdAsync(account.Id, TestData.Cancel));
        Assert.Equal(account, await data.Accounts.FindByTagAsync(account.Tag, TestData.Cancel));
        Assert.Null(await data.Accounts.FindAsync("romeo", "example.org", TestData.Cancel));
        Assert.Equal(2, await data.Accounts.CountAsync(TestData.Cancel));
        Assert.Equivalent(new[] { Old }, await data.Accounts.CredentialsAsync(account.Id, TestData.Cancel), strict: true);
    }

    [Fact]
    public async Task Of_two_who_take_a_name_at_once_one_gets_it()
    {
        await using var data = await NewAsync();
        Task<AccountRow?>[] tries;
        using (await data.HoldWriterAsync())
            tries = [.. Enumerable.Range(0, 10).Select(_ => data.Accounts.CreateAsync("juliet", "example.org", Role.User, [], TestData.Cancel))];
        Assert.Single(await Task.WhenAll(tries), account => account is not null);
    }

    [Fact]
    public async Task A_new_password_replaces_all_credentials_and_kills_all_tokens()
    {
        await using var data = await NewAsync();
        var (mine, other) = (await data.NewAccountAsync(), await data.NewAccountAsync("romeo"));
        var tokens = new TokenStore(data.Database);
        foreach (var account in new[] { mine, other }) await tokens.IssueAsync(Token(data, account, "phone"), TestData.Cancel);
        Assert.True(await data.Accounts.SetPasswordAsync(mine, [Old, New], TestData.Cancel));
        Assert.Empty(await tokens.LoadAsync(mine, "phone", TestData.Cancel));
        Assert.Single(await tokens.LoadAsync(other, "phone", TestData.Cancel));
        Assert.True(await data.Accounts.SetPasswordAsync(mine, [New], TestData.Cancel));
        Assert.Equivalent(new[] { New }, await data.Accounts.CredentialsAsync(mine, TestData.Cancel), strict: true);
        Assert.False(await data.Accounts.SetPasswordAsync(99, [New], TestData.Cancel));
        await data.Accounts.DeleteAsync(mine, TestData.Cancel);
        Assert.False(await data.Accounts.SetPasswordAsync(mine, [New], TestData.Cancel));
        Assert.Empty(await data.Accounts.CredentialsAsync(mine, TestData.Cancel));
    }

    [Fact]
    public async Task Roles_and_disabling()
    {
        await using var data = await NewAsync();
        var id = await data.NewAccountAsync();
        var tokens = new TokenStore(data.Database);
        await tokens.IssueAsync(Token(data, id, "phone"), TestData.Cancel);
        Assert.True(await data.Accounts.SetRoleAsync(id, Role.Admin, TestData.Cancel));
        Assert.True(await data.Accounts.SetDisabledAsync(id, true, TestData.Cancel));
        Assert.Empty(await tokens.LoadAsync(id, "phone", TestData.Cancel));
        var account = await data.Accounts.FindByIdAsync(id, TestData.Cancel);
        Assert.Equal((Role.Admin, true), (account!.Role, account.Disabled));
        Assert.True(await data.Accounts.SetDisabledAsync(id, false, TestData.Cancel));
        Assert.False((await data.Accounts.FindByIdAsync(id, TestData.Cancel))!.Disabled);
        Assert.False(await data.Accounts.SetRoleAsync(99, Role.Admin, TestData.Cancel));
        Assert.False(await data.Accounts.SetDisabledAsync(99, true, TestData.Cancel));
    }

    [Fact]
    public async Task The_list_comes_in_pages_without_the_deleted()
    {
        await using var data = await NewAsync();
        for (var i = 0; i < 7; i++) await data.NewAccountAsync($"user{i}");
        await data.Accounts.DeleteAsync(3, TestData.Cancel);
        Assert.Equal([1L, 2, 4], (await data.Accounts.ListAsync(0, 3, TestData.Cancel)).Select(a => a.Id));
        Assert.Equal([5L, 6, 7], (await data.Accounts.ListAsync(4, 10, TestData.Cancel)).Select(a => a.Id));
        Assert.Equal(6, await data.Accounts.CountAsync(TestData.Cancel));
    }

    [Fact]
    public async Task What_comes_late_for_a_deleted_account_is_not_kept()
    {
        await using var data = await NewAsync();
        var id = await data.NewAccountAsync();
        await data.Accounts.DeleteAsync(id, TestData.Cancel);
        await new DataStore(data.Database).SetAsync(id, "s", "k", [1], TestData.Cancel);
        await new DeviceStore(data.Database).SeenAsync(id, "phone", null, null, null, TestData.Cancel);
        await new TokenStore(data.Database).IssueAsync(Token(data, id, "phone"), TestData.Cancel);
        await Assert.ThrowsAsync<InvalidOperationException>(() => new RosterStore(data.Database).UpsertAsync(id, new RosterItem("a", null, Subscription.None, false, null, false, []), TestData.Cancel));
        foreach (var table in new[] { "data", "device", "token", "roster", "roster_item" })
            Assert.Equal(0, await data.NumberAsync($"SELECT count(*) FROM {table}"));
    }

    internal static FastToken Token(TestData data, long account, string device, string secret = "secret", int hours = 24) =>
        new(account, device, TokenSlot.New, "HT-SHA-256-NONE", secret, data.Time.GetUtcNow(), data.Time.GetUtcNow().AddHours(hours));
}
