namespace Indaba.Server.Mailbox;

/// <summary>A query of an account's archive (XEP-0313 section 4). All filters together must hold; only <see cref="EntryFlags.Archived"/> entries count.</summary>
internal sealed record ArchiveQuery(long Account)
{
    /// <summary>The other side as a bare or full JID: a full one must have been that sender, or the address it was sent to.</summary>
    public string? With { get; init; }
    /// <summary>Not before, unix milliseconds, inclusive.</summary>
    public long? Start { get; init; }
    /// <summary>Not after, unix milliseconds, inclusive.</summary>
    public long? End { get; init; }
    /// <summary>Only entries with a greater number.</summary>
    public long? AfterSeq { get; init; }
    /// <summary>Only entries with a smaller number.</summary>
    public long? BeforeSeq { get; init; }
    /// <summary>Only these numbers (XEP-0313 section 4.1.4; bound the number of ids before).</summary>
    public IReadOnlyCollection<long>? Seqs { get; init; }
    /// <summary>Take the last page of what matches instead of the first. Entries are ascending either way.</summary>
    public bool FromEnd { get; init; }
    /// <summary>Entries in a page; 0 asks for the count only.</summary>
    public int Limit { get; init; } = 50;
    /// <summary>The page ends before the entry with which its stanzas would exceed this; one entry is always there. It bounds what a page costs to read.</summary>
    public long MaxBytes { get; init; } = long.MaxValue;
    /// <summary>Ask for <see cref="ArchivePage.Count"/>.</summary>
    public bool WantCount { get; init; }
}

/// <summary>
/// A page of the archive, ascending. Complete: nothing more matches in the direction of paging. Count: how many entries
/// match the filters without the page bounds (AfterSeq, BeforeSeq, Limit), or null when that would cost too much.
/// </summary>
internal sealed record ArchivePage(IReadOnlyList<LogEntry> Entries, bool Complete, long? Count);

/// <summary>The ends of an archive (XEP-0313 section 5.1, metadata).</summary>
internal sealed record ArchiveBounds(long FirstSeq, long FirstAt, long LastSeq, long LastAt);

/// <summary>What an account's state needs of an entry to know a repeated send.</summary>
internal readonly record struct TailKey(long Seq, Direction Direction, string Peer, string Device, string? OriginId, string? MessageId);
