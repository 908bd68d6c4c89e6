using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>Answers XEP-0313 queries from PostgreSQL, as <see cref="ArchiveReader"/> does from SQLite.</summary>
internal sealed class PostgresArchive(PostgresDatabase database)
{
    public Task<ArchivePage> QueryAsync(ArchiveQuery query, CancellationToken cancel)
    {
        var (peer, resource) = ArchiveReader.Split(query.With);
        var all = new LogFilter(query.Account, 1, long.MaxValue)
        {
            KindMask = (byte)EntryFlags.Archived,
            Kind = (byte)EntryFlags.Archived,
            Peer = peer,
            Start = query.Start ?? long.MinValue,
            End = query.End ?? long.MaxValue,
        };
        return database.ReadAsync((query, all, resource), static (connection, search) =>
        {
            var (query, all, resource) = search;
            all = PostgresReader.Narrow(connection, all);
            var page = all with
            {
                From = Math.Max(all.From, query.AfterSeq is { } after ? Math.Max(1, after == long.MaxValue ? after : after + 1) : 1),
                To = Math.Min(all.To, query.BeforeSeq is { } before ? (before == long.MinValue ? before : before - 1) : long.MaxValue),
            };
            if (query.AfterSeq == long.MaxValue) page = page with { To = long.MinValue };
            var picked = query.Seqs?.Distinct().ToArray();
            var count = query.WantCount ? Count(connection, all, resource, picked) : null;
            var (entries, complete) = Page(connection, page, resource, picked, query);
            return new ArchivePage(entries, complete, count);
        }, cancel);
    }

    public Task<bool> HasAllAsync(long account, IReadOnlyCollection<long> seqs, CancellationToken cancel) => database.ReadAsync((account, seqs), static (connection, wanted) =>
    {
        var distinct = wanted.seqs.Distinct().ToArray();
        return connection.Number("SELECT count(*) FROM log WHERE account = @account AND seq = ANY (@seqs) AND flags & 1 = 1", ("account", wanted.account), ("seqs", distinct)) == distinct.Length;
    }, cancel);

    public Task<ArchiveBounds?> BoundsAsync(long account, CancellationToken cancel) => database.ReadAsync(account, static (connection, account) => connection.Row("""
        SELECT first.seq, first.at, last.seq, last.at
        FROM (SELECT seq, at FROM log WHERE account = @account AND seq > 0 AND flags & 1 = 1 ORDER BY seq LIMIT 1) AS first,
            (SELECT seq, at FROM log WHERE account = @account AND seq > 0 AND flags & 1 = 1 ORDER BY seq DESC LIMIT 1) AS last
        """, static row => new ArchiveBounds(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)), ("account", account)), cancel);

    private static long? Count(StoreConnection connection, in LogFilter filter, string? resource, long[]? picked)
    {
        var most = resource is null ? ArchiveReader.MaxCount : ArchiveReader.MaxCountOfResource;
        var count = connection.Number(
            $"SELECT count(*) FROM (SELECT 1 FROM log WHERE {PostgresReader.Where(filter, resource)}{Picked(picked)} LIMIT @limit) AS found",
            PostgresReader.Arguments(filter, resource, [("limit", most + 1L), .. Picks(picked)]));
        return count <= most || picked is not null ? count : null;
    }

    /// <summary>The numbers and sizes first, so that no more stanzas are read than the page takes.</summary>
    private static (IReadOnlyList<LogEntry> Entries, bool Complete) Page(StoreConnection connection, in LogFilter filter, string? resource, long[]? picked, ArchiveQuery query)
    {
        if (filter.From > filter.To) return ([], true);
        var order = query.FromEnd ? " DESC" : "";
        var keys = connection.Rows(
            $"SELECT seq, octet_length(stanza) FROM log WHERE {PostgresReader.Where(filter, resource)}{Picked(picked)} ORDER BY seq{order} LIMIT @limit",
            static row => (Seq: row.GetInt64(0), Bytes: (long)row.GetInt32(1)), PostgresReader.Arguments(filter, resource, [("limit", query.Limit + 1L), .. Picks(picked)]));
        var (fits, bytes) = (0, 0L);
        while (fits < keys.Count && fits < query.Limit && ((bytes += keys[fits].Bytes) <= query.MaxBytes || fits == 0)) fits++;
        if (fits == 0) return ([], keys.Count == 0);
        var seqs = keys.Take(fits).Select(key => key.Seq).ToArray();
        var entries = connection.Rows(
            $"SELECT {PostgresReader.Columns} FROM log WHERE account = @account AND seq = ANY (@seqs) ORDER BY seq", PostgresReader.Entry, ("account", filter.Account), ("seqs", seqs));
        return (entries, fits == keys.Count);
    }

    private static string Picked(long[]? picked) => picked is null ? "" : " AND seq = ANY (@picked)";

    private static ReadOnlySpan<(string, object?)> Picks(long[]? picked) => picked is null ? default : new (string, object?)[] { ("picked", picked) };
}
