using Indaba.Server.Storage;
using Npgsql;

namespace Indaba.Server.Mailbox;

/// <summary>
/// The fence. A claim adds 1 to the epoch of an account and names the writer whose it is now, and entries go in under that epoch only. A
/// statement of the former owner that began before would still see the old epoch, so each writer holds a lock of its own while it is at
/// work, and a claim takes that of the former writer, shared with other claims, before it reads the log. What the former
/// writer had begun is over then, and what it begins waits until the claim is committed, and is refused.
/// </summary>
internal sealed partial class PostgresClaim(PostgresDatabase database, ILogger log)
{
    private readonly ILogger _log = log;

    /// <summary>Claims an account for a writer of this process. A former one that does not come to an end (its node is frozen or cut off) is ended.</summary>
    /// <param name="ownToo">Wait also for what this very writer has under way.</param>
    public Task<LogHead> ClaimAsync(long account, long writer, bool ownToo, int tail, CancellationToken cancel) => database.RunAsync(connection =>
    {
        var statements = connection.Kept(static npgsql => new ClaimStatements(npgsql));
        while (true)
        {
            try
            {
                return statements.Run(account, writer, ownToo, tail);
            }
            catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                if (End(connection.Npgsql, account) is > 0 and var ended) FormerEnded(account, ended);
            }
        }
    }, cancel);

    /// <summary>Ends the server's process that is at work for the writer of an account: its batch is then undone, or was committed.</summary>
    private static long End(NpgsqlConnection connection, long account)
    {
        // A key of 64 bits stands in this view as two of 32. Exclusive is the writer's own lock; those of claims are shared.
        using var command = new NpgsqlCommand("""
            SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 1000)) FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ExclusiveLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (classid::bigint << 32 | objid::bigint) = (SELECT writer FROM log_head WHERE account = $1)
            """, connection) { Parameters = { new NpgsqlParameter<long> { TypedValue = account } } };
        return (long)command.ExecuteScalar()!;
    }

    [LoggerMessage(770, LogLevel.Warning, "The former owner of account {Account} does not finish what it was writing: {Connections} of its connections were ended")]
    private partial void FormerEnded(long account, long connections);
}
