using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;

namespace Indaba.Server.Tests.Mailbox;

/// <summary>The storage of one node among several on a PostgreSQL database.</summary>
internal sealed class PostgresNode(PostgresDatabase database, MailboxLog log) : IAsyncDisposable
{
    public PostgresDatabase Database => database;
    public MailboxLog Log => log;

    public static async Task<PostgresNode> StartAsync(string connectionString, int commandSeconds = 30)
    {
        var settings = new PostgresSettings(connectionString) { CommandTimeout = TimeSpan.FromSeconds(commandSeconds) };
        var database = await PostgresDatabase.OpenAsync(settings, TimeProvider.System, TestLog.Factory, null, TestData.Cancel);
        return new PostgresNode(database, await MailboxLog.OpenAsync(database, TestLog.Factory, TestData.Cancel));
    }

    public Task<LogHead> ClaimAsync(long account) => log.OpenAsync(account, 10, TestData.Cancel);

    /// <summary>Enqueues an entry under an epoch.</summary>
    public TestAppend Append(long account, long seq, long epoch)
    {
        var append = new TestAppend(Entries.New(account, seq, id: $"{account}-{seq}")) { Epoch = epoch };
        log.Enqueue(append);
        return append;
    }

    /// <summary>True when it was committed, false when the fence has refused it.</summary>
    public static async Task<bool> IsCommittedAsync(TestAppend append)
    {
        try
        {
            await append.Done.WaitAsync(TestData.Limit, TestData.Cancel);
            return true;
        }
        catch (FencedException)
        {
            return false;
        }
    }

    public Task<long> NumberAsync(string sql) => database.ReadAsync(connection => connection.Number(sql) ?? 0, TestData.Cancel);

    public async Task<List<long>> SeqsAsync(long account) =>
        [.. (await log.ReadAsync(account, 0, long.MaxValue, int.MaxValue, TestData.Cancel)).Select(e => e.Seq)];

    public async ValueTask DisposeAsync()
    {
        await log.DisposeAsync();
        await database.DisposeAsync();
    }
}
