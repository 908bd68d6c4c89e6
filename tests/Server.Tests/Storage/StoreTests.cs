using Xunit;

namespace Indaba.Server.Tests.Storage;

/// <summary>What keeps the data in a test.</summary>
public enum Store { Sqlite, Postgres }

/// <summary>Tests that hold for both: a class of them has one derived class for each.</summary>
public abstract class StoreTests(Store store)
{
    private protected Task<TestData> NewAsync() => TestData.NewAsync(store);

    private protected bool IsPostgres => store == Store.Postgres;

    /// <summary>For what is peculiar to SQLite.</summary>
    private protected void OnlySqlite() => Assert.SkipWhen(IsPostgres, "of SQLite only");
}
