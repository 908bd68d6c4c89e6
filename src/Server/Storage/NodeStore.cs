using System.Data.Common;
using System.Globalization;

namespace Indaba.Server.Storage;

/// <summary>What a node says of itself, and when it said so by the database's clock.</summary>
/// <param name="Cpu">Of one core, in percent, since the last time.</param>
/// <param name="CommitP50">Milliseconds; 0 when nothing was committed since the last time.</param>
internal sealed record NodeRow(
    string Name, string Address, string Ports, string Version, string Roles, string State, DateTimeOffset StartedAt, DateTimeOffset BeatAt,
    int Sessions, int Accounts, double Cpu, long Memory, double CommitP50, double CommitP99, int Queue);

/// <summary>The nodes of this database, as they report themselves. Only the operator looks here: no decision hangs on it.</summary>
internal sealed class NodeStore(Database database)
{
    private const string Columns = "name, address, ports, version, roles, state, started_at, beat_at, sessions, accounts, cpu, memory, commit_p50, commit_p99, queue";

    /// <summary>Writes a node's row; <see cref="NodeRow.BeatAt"/> is taken from the database's clock, so that clocks that differ do not matter.</summary>
    public Task<int> BeatAsync(NodeRow row, CancellationToken cancel = default) => database.WriteAsync(connection => connection.Run($"""
        INSERT INTO node ({Columns})
        VALUES (@name, @address, @ports, @version, @roles, @state, @started, @beat, @sessions, @accounts, @cpu, @memory, @p50, @p99, @queue)
        ON CONFLICT (name) DO UPDATE SET address = @address, ports = @ports, version = @version, roles = @roles, state = @state, beat_at = @beat,
            sessions = @sessions, accounts = @accounts, cpu = @cpu, memory = @memory, commit_p50 = @p50, commit_p99 = @p99, queue = @queue
        """,
        ("name", row.Name), ("address", row.Address), ("ports", row.Ports), ("version", row.Version), ("roles", row.Roles), ("state", row.State),
        ("started", row.StartedAt.ToUnixTimeMilliseconds()), ("beat", Clock(connection.Row(Now, ReadClock)).ToUnixTimeMilliseconds()),
        ("sessions", (long)row.Sessions), ("accounts", (long)row.Accounts), ("cpu", Thousandths(row.Cpu)), ("memory", row.Memory),
        ("p50", Thousandths(row.CommitP50)), ("p99", Thousandths(row.CommitP99)), ("queue", (long)row.Queue)), cancel);

    /// <summary>Removes a node that leaves in order.</summary>
    public Task<int> RemoveAsync(string name, CancellationToken cancel = default) =>
        database.WriteAsync(connection => connection.Run("DELETE FROM node WHERE name = @name", ("name", name)), cancel);

    /// <summary>Removes the rows of nodes that have been silent for longer.</summary>
    public Task<int> PruneAsync(TimeSpan silence, CancellationToken cancel = default) => database.WriteAsync(connection => connection.Run(
        "DELETE FROM node WHERE beat_at < @before", ("before", (Clock(connection.Row(Now, ReadClock)) - silence).ToUnixTimeMilliseconds())), cancel);

    /// <summary>All nodes, the oldest first, and the database's time now.</summary>
    public Task<(IReadOnlyList<NodeRow> Nodes, DateTimeOffset Now)> ListAsync(CancellationToken cancel = default) => database.ReadAsync(
        static (IReadOnlyList<NodeRow>, DateTimeOffset) (connection) =>
            (connection.Rows($"SELECT {Columns} FROM node ORDER BY started_at, name", Read), Clock(connection.Row(Now, ReadClock))), cancel);

    // The same words give text to SQLite and a time to PostgreSQL. In a query that is as exact as seconds are.
    private const string Now = "SELECT CURRENT_TIMESTAMP";

    private static object ReadClock(DbDataReader row) => row.GetValue(0);

    private static DateTimeOffset Clock(object? value) => value switch
    {
        DateTime time => new DateTimeOffset(DateTime.SpecifyKind(time, DateTimeKind.Utc)),
        DateTimeOffset time => time,
        string text => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
        _ => throw new StorageException("the database does not say what time it is"),
    };

    private static long Thousandths(double value) => (long)Math.Round(value * 1000);

    private static NodeRow Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.Time(6), row.Time(7),
        (int)row.GetInt64(8), (int)row.GetInt64(9), row.GetInt64(10) / 1000d, row.GetInt64(11), row.GetInt64(12) / 1000d, row.GetInt64(13) / 1000d, (int)row.GetInt64(14));
}
