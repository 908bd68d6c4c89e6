using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

public sealed class SqliteResumptionTests() : ResumptionTests(Store.Sqlite);

public sealed class PostgresResumptionTests() : ResumptionTests(Store.Postgres)
{
    [Fact]
    public async Task Another_node_finds_it()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        await using var here = await PostgresNode.StartAsync(place);
        await using var there = await PostgresNode.StartAsync(place);
        here.Log.Resumptions.Note("s", 7, 3);
        await here.Log.Resumptions.FlushAsync(TestData.Cancel);
        Assert.Equal(new Resumption(7, 3), await there.Log.Resumptions.FindAsync("s", TestData.Cancel));
        there.Log.Resumptions.Forget("s");
        await there.Log.Resumptions.FlushAsync(TestData.Cancel);
        Assert.Null(await here.Log.Resumptions.FindAsync("s", TestData.Cancel));
    }
}

/// <summary>XEP-0198 section 5: what is known of a session whose resumption fails.</summary>
public abstract class ResumptionTests(Store store) : StoreTests(store)
{
    [Fact]
    public async Task The_newest_is_known_at_once_and_after_a_start()
    {
        await using var data = await NewAsync();
        data.Log.Resumptions.Note("a", 1, 5);
        data.Log.Resumptions.Note("a", 1, uint.MaxValue);
        data.Log.Resumptions.Note("b", 2, 0);
        data.Log.Resumptions.Forget("b");
        Assert.Equal(new Resumption(1, uint.MaxValue), await data.Log.Resumptions.FindAsync("a", TestData.Cancel));
        Assert.Null(await data.Log.Resumptions.FindAsync("b", TestData.Cancel));
        await data.ReopenAsync(); // which writes them
        Assert.Equal(new Resumption(1, uint.MaxValue), await data.Log.Resumptions.FindAsync("a", TestData.Cancel));
        Assert.Null(await data.Log.Resumptions.FindAsync("b", TestData.Cancel));
        data.Log.Resumptions.Note("a", 1, 0); // the count goes round
        await data.Log.Resumptions.FlushAsync(TestData.Cancel);
        await data.ReopenAsync();
        Assert.Equal(new Resumption(1, 0), await data.Log.Resumptions.FindAsync("a", TestData.Cancel));
        data.Log.Resumptions.Forget("a");
        await data.ReopenAsync();
        Assert.Null(await data.Log.Resumptions.FindAsync("a", TestData.Cancel));
        Assert.Equal(0, await data.NumberAsync("SELECT count(*) FROM resumption"));
    }

    [Fact]
    public async Task A_note_is_written_soon_although_nothing_else_is()
    {
        await using var data = await NewAsync();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestData.Cancel);
        limit.CancelAfter(TestData.Limit);
        for (var handled = 1u; handled <= 2; handled++)
        {
            data.Log.Resumptions.Note("a", 1, handled);
            while (await data.NumberAsync("SELECT handled FROM resumption") != handled) await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, limit.Token);
        }
    }

    [Fact]
    public async Task What_is_too_old_is_not_told_and_goes()
    {
        await using var data = await NewAsync();
        for (var i = 0; i < 5; i++) data.Log.Resumptions.Note($"old{i}", 1, 1);
        await data.Log.Resumptions.FlushAsync(TestData.Cancel);
        data.Time.Advance(TimeSpan.FromHours(25));
        data.Log.Resumptions.Note("young", 1, 1);
        await data.Log.Resumptions.FlushAsync(TestData.Cancel);
        Assert.Null(await data.Log.Resumptions.FindAsync("old1", TestData.Cancel));
        while (await data.Log.Resumptions.PruneAsync(TestData.Cancel) > 0) { }
        Assert.Equal(1, await data.NumberAsync("SELECT count(*) FROM resumption"));
        Assert.NotNull(await data.Log.Resumptions.FindAsync("young", TestData.Cancel));
    }
}
