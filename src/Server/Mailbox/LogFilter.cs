namespace Indaba.Server.Mailbox;

/// <summary>What the indexes alone can tell of an entry: a range of numbers, bits of its kind, its peer, a range of times. All bounds are inclusive.</summary>
internal readonly record struct LogFilter(long Account, long From, long To)
{
    /// <summary>The bits of the kind that must have the value <see cref="Kind"/>.</summary>
    public byte KindMask { get; init; }
    public byte Kind { get; init; }
    public string? Peer { get; init; }
    public long Start { get; init; } = long.MinValue;
    public long End { get; init; } = long.MaxValue;

    public bool Matches(in IndexEntry entry) =>
        entry.Seq >= From && entry.Seq <= To && (entry.Kind & KindMask) == Kind && entry.At >= Start && entry.At <= End
        && (Peer is null || Peer == entry.Peer);
}
