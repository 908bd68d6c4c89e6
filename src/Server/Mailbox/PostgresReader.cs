using System.Data.Common;
using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>Reads the log in PostgreSQL: what SQLite finds in its indexes and in memory is here one statement.</summary>
internal static class PostgresReader
{
    public const string Columns = "account, seq, direction, flags, peer, target, sender, device, origin_id, message_id, at, stanza";
    public const string KeyColumns = "seq, direction, peer, device, origin_id, message_id";

    /// <summary>
    /// How far an entry's time may lie behind that of an earlier entry of its account: by the difference of two nodes' clocks, and by
    /// how far one is set back. Times narrow a search only beyond this; within it each entry is judged by its own. An hour is far
    /// more than NTP leaves, and an hour's entries are quickly read.
    /// </summary>
    public const long Disorder = 3_600_000;

    /// <summary>The conditions of a search, in words that are the same for all searches of a kind so that they are prepared once.</summary>
    public static string Where(in LogFilter filter, string? resource) =>
        "account = @account AND seq BETWEEN @from AND @to AND flags & @mask = @flags AND at BETWEEN @start AND @end"
        + (filter.Peer is null ? "" : " AND peer = @peer")
        + (resource is null ? "" : " AND CASE direction WHEN 0 THEN sender = @jid ELSE target = @resource END");

    /// <summary>Its arguments. The kind must be of flags alone.</summary>
    public static (string, object?)[] Arguments(in LogFilter filter, string? resource, params ReadOnlySpan<(string, object?)> more) =>
    [
        ("account", filter.Account), ("from", filter.From), ("to", filter.To), ("mask", (short)filter.KindMask), ("flags", (short)filter.Kind),
        ("start", filter.Start), ("end", filter.End),
        .. filter.Peer is null ? default(ReadOnlySpan<(string, object?)>) : [("peer", filter.Peer)],
        .. resource is null ? default(ReadOnlySpan<(string, object?)>) : [("jid", filter.Peer + "/" + resource), ("resource", resource)],
        .. more,
    ];

    public static LogEntry Entry(DbDataReader row) => new()
    {
        Account = row.GetInt64(0),
        Seq = row.GetInt64(1),
        Direction = (Direction)row.GetInt16(2),
        Flags = (EntryFlags)row.GetInt16(3),
        Peer = row.GetString(4),
        Target = row.StringOrNull(5),
        Sender = row.GetString(6),
        Device = row.GetString(7),
        OriginId = row.StringOrNull(8),
        MessageId = row.StringOrNull(9),
        At = row.GetInt64(10),
        Stanza = row.GetFieldValue<byte[]>(11),
    };

    public static TailKey Key(DbDataReader row) =>
        new(row.GetInt64(0), (Direction)row.GetInt16(1), row.GetString(2), row.GetString(3), row.StringOrNull(4), row.StringOrNull(5));

    /// <summary>Turns times into numbers, so that a search for what is young does not read what is old.</summary>
    public static LogFilter Narrow(StoreConnection connection, in LogFilter filter)
    {
        var narrowed = filter;
        if (filter.Start > long.MinValue + Disorder) narrowed = narrowed with { From = Math.Max(filter.From, Divide(connection, filter, filter.Start - Disorder)) };
        if (filter.End < long.MaxValue - Disorder - 1 && Divide(connection, filter, filter.End + Disorder + 1) is var beyond and < long.MaxValue)
            narrowed = narrowed with { To = Math.Min(filter.To, beyond - 1) };
        return narrowed;
    }

    /// <summary>
    /// A number below which every entry was taken before <paramref name="time"/> + Disorder, and from which on every one was taken
    /// after <paramref name="time"/> - Disorder: halving finds it although times are not quite in order, since each step is right by
    /// itself. It goes by numbers, so gaps cost nothing but steps. <see cref="long.MaxValue"/> when no entry is that late.
    /// </summary>
    private static long Divide(StoreConnection connection, in LogFilter filter, long time) => connection.Number("""
        WITH RECURSIVE step (low, high) AS (
            SELECT CAST(0 AS BIGINT), (SELECT seq FROM log WHERE account = @account ORDER BY seq DESC LIMIT 1) + 1
            UNION ALL
            SELECT CASE WHEN probe.at < @time THEN probe.seq + 1 ELSE step.low END,
                CASE WHEN probe.at < @time THEN step.high ELSE step.low + (step.high - step.low) / 2 END
            FROM step LEFT JOIN LATERAL (
                SELECT seq, at FROM log WHERE account = @account AND seq >= step.low + (step.high - step.low) / 2 AND seq < step.high ORDER BY seq LIMIT 1
            ) AS probe ON true
            WHERE step.low < step.high)
        SELECT min(high) FROM step WHERE low >= high
        """, ("account", filter.Account), ("time", time)) ?? long.MaxValue;
}
