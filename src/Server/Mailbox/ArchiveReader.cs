using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// Answers XEP-0313 queries. Numbers, peer, times and the archive flag are decided in the indexes; only a resource in <c>with</c> needs the
/// rows themselves, so such a search goes on in slices, between which others get the connection.
/// </summary>
internal sealed class ArchiveReader(SqliteDatabase database, LogTail tail)
{
    /// <summary>Counting stops here: beyond, a number would tell a client no more than "many".</summary>
    public const int MaxCount = 10_000;
    /// <summary>The same, for a search for a resource.</summary>
    public const int MaxCountOfResource = SliceRows;
    /// <summary>Rows looked at in a slice of a search for a resource: some ten milliseconds.</summary>
    private const int SliceRows = 4096;

    public async Task<ArchivePage> QueryAsync(ArchiveQuery query, CancellationToken cancel)
    {
        var (peer, resource) = Split(query.With);
        var filter = new LogFilter(query.Account, 1, long.MaxValue)
        {
            KindMask = (byte)EntryFlags.Archived,
            Kind = (byte)EntryFlags.Archived,
            Peer = peer,
            Start = query.Start ?? long.MinValue,
            End = query.End ?? long.MaxValue,
        };
        var count = query.WantCount ? await CountAsync(filter, query, resource, cancel) : null;
        filter = filter with
        {
            From = query.AfterSeq is { } after ? Math.Max(1, after == long.MaxValue ? after : after + 1) : 1,
            To = query.BeforeSeq is { } before ? (before == long.MinValue ? before : before - 1) : long.MaxValue,
        };
        if (query.Seqs is { } seqs) return await PickAsync(filter, seqs, query, resource, cancel);
        if (query.AfterSeq == long.MaxValue || filter.From > filter.To) return new ArchivePage([], true, count);

        var (keys, complete) = await SearchAsync(filter, resource, query.Limit, query.FromEnd, cancel);
        if (keys.Count == 0) return new ArchivePage([], complete, count);
        var (entries, all) = await database.ReadRawAsync((keys, query.MaxBytes), static (connection, page) => (LogReader.Fetch(connection, page.keys, page.MaxBytes, out var all), all), cancel);
        complete &= all;
        if (query.FromEnd) entries.Reverse();
        return new ArchivePage(entries, complete, count);
    }

    /// <summary>True when each of these numbers is in the archive.</summary>
    public async Task<bool> HasAllAsync(long account, IReadOnlyCollection<long> seqs, CancellationToken cancel)
    {
        foreach (var seq in seqs)
        {
            var filter = new LogFilter(account, seq, seq) { KindMask = (byte)EntryFlags.Archived, Kind = (byte)EntryFlags.Archived };
            if ((await SelectAsync(filter, 1, false, cancel)).Count == 0) return false;
        }
        return true;
    }

    /// <summary>The first and last archived entry.</summary>
    public async Task<ArchiveBounds?> BoundsAsync(long account, CancellationToken cancel)
    {
        var filter = new LogFilter(account, 1, long.MaxValue) { KindMask = (byte)EntryFlags.Archived, Kind = (byte)EntryFlags.Archived };
        var (first, _) = await SearchAsync(filter, null, 1, false, cancel);
        var (last, _) = await SearchAsync(filter, null, 1, true, cancel);
        return first.Count == 0 || last.Count == 0 ? null : new ArchiveBounds(first[0].Seq, first[0].At, last[0].Seq, last[0].At);
    }

    /// <summary>Matching keys in the direction of the search, and whether there are no more.</summary>
    private async Task<(List<IndexEntry> Keys, bool Complete)> SearchAsync(LogFilter filter, string? resource, int limit, bool fromEnd, CancellationToken cancel)
    {
        if (resource is null)
        {
            var found = await SelectAsync(filter, limit + 1, fromEnd, cancel);
            if (found.Count <= limit) return (found, true);
            found.RemoveAt(limit);
            return (found, false);
        }
        var jid = filter.Peer + "/" + resource;
        var keys = new List<IndexEntry>();
        while (true)
        {
            var slice = await SelectAsync(filter, SliceRows, fromEnd, cancel);
            await database.ReadRawAsync((slice, keys, jid, resource, limit), static (connection, search) =>
            {
                foreach (var key in search.slice)
                    if (search.keys.Count <= search.limit && LogReader.IsWith(connection, key.Pos, search.jid, search.resource)) search.keys.Add(key);
                return true;
            }, cancel);
            if (keys.Count > limit)
            {
                keys.RemoveAt(limit);
                return (keys, false);
            }
            if (slice.Count < SliceRows) return (keys, true);
            filter = fromEnd ? filter with { To = slice[^1].Seq - 1 } : filter with { From = slice[^1].Seq + 1 };
        }
    }

    private Task<List<IndexEntry>> SelectAsync(LogFilter filter, int limit, bool fromEnd, CancellationToken cancel)
    {
        var late = new List<IndexEntry>();
        var boundary = tail.Find(filter.Account)?.Select(filter, limit, fromEnd, late) ?? long.MaxValue;
        return database.ReadRawAsync((filter, limit, fromEnd, late, boundary, tail.ClockStep), static (connection, search) =>
        {
            var (filter, limit, fromEnd, late, boundary, step) = search;
            if (fromEnd)
            {
                if (late.Count < limit) LogReader.SelectIndexed(connection, Narrow(connection, filter, boundary, step), boundary, limit, true, late);
                return late;
            }
            var keys = new List<IndexEntry>();
            LogReader.SelectIndexed(connection, Narrow(connection, filter, boundary, step), boundary, limit, false, keys);
            keys.AddRange(late.Take(limit - keys.Count));
            return keys;
        }, cancel);
    }

    private async Task<long?> CountAsync(LogFilter filter, ArchiveQuery query, string? resource, CancellationToken cancel)
    {
        if (query.Seqs is not null) return null;
        if (resource is not null)
        {
            var (keys, complete) = await SearchAsync(filter, resource, SliceRows, false, cancel);
            return complete ? keys.Count : null;
        }
        var late = new List<IndexEntry>();
        var boundary = tail.Find(filter.Account)?.Select(filter, MaxCount + 1, false, late) ?? long.MaxValue;
        var count = late.Count + await database.ReadRawAsync((filter, boundary, tail.ClockStep), static (connection, search) =>
            LogReader.CountIndexed(connection, Narrow(connection, search.filter, search.boundary, search.ClockStep), search.boundary, MaxCount + 1), cancel);
        return count <= MaxCount ? count : null;
    }

    /// <summary>The entries with given numbers that match.</summary>
    private async Task<ArchivePage> PickAsync(LogFilter filter, IReadOnlyCollection<long> seqs, ArchiveQuery query, string? resource, CancellationToken cancel)
    {
        var entries = new List<LogEntry>();
        var (complete, matched, bytes) = (true, 0, 0L);
        foreach (var seq in query.FromEnd ? seqs.Distinct().OrderDescending() : seqs.Distinct().Order())
        {
            var inPage = seq >= filter.From && seq <= filter.To;
            if (!query.WantCount && (!inPage || !complete)) continue;
            var (keys, _) = await SearchAsync(filter with { From = seq, To = seq }, resource, 1, false, cancel);
            if (keys.Count == 0) continue;
            matched++;
            if (!inPage || !complete) continue;
            complete = entries.Count < query.Limit;
            if (!complete || await database.ReadRawAsync(keys[0].Pos, LogReader.Fetch, cancel) is not { } entry) continue;
            bytes += entry.Stanza.Length;
            complete = bytes <= query.MaxBytes || entries.Count == 0;
            if (complete) entries.Add(entry);
        }
        if (query.FromEnd) entries.Reverse();
        return new ArchivePage(entries, complete, query.WantCount ? matched : null);
    }

    /// <summary>
    /// Turns times into numbers. An entry from a clock that was set back lies later in the log than its time says, but
    /// never by more than the greatest such step.
    /// </summary>
    private static LogFilter Narrow(SqliteStoreConnection connection, LogFilter filter, long boundary, long step)
    {
        if (filter.Start > long.MinValue)
            filter = filter with { From = Math.Max(filter.From, LogReader.FirstSeqAt(connection, filter.Account, filter.Start, boundary)) };
        if (filter.End < long.MaxValue - step - 1)
        {
            var beyond = LogReader.FirstSeqAt(connection, filter.Account, filter.End + step + 1, boundary);
            if (beyond < long.MaxValue) filter = filter with { To = Math.Min(filter.To, beyond - 1) };
        }
        return filter;
    }

    /// <summary>Takes the address of a query apart.</summary>
    public static (string? Peer, string? Resource) Split(string? with)
    {
        var slash = with?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        return slash < 0 ? (with, null) : (with![..slash], with[(slash + 1)..]);
    }
}
