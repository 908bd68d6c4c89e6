using System.Collections.Concurrent;
using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// A log entry as the indexes know it. Kind is its flags and, as <see cref="LogTail.OutBit"/>, its direction. Lag is how far At lies
/// behind the highest At of the account up to here (0 unless the clock was set back), so that At + Lag never falls.
/// </summary>
internal readonly record struct IndexEntry(long Account, long Seq, long Pos, byte Kind, long At, long Lag, string Peer)
{
    public long High => At + Lag;
}

/// <summary>
/// What is committed but not yet indexed, by account. Also the fence: it knows the last number of each account that
/// wrote of late, and refuses one that is not above. Written by the writer thread only, read by all.
/// </summary>
internal sealed class LogTail
{
    public const byte OutBit = 8;
    /// <summary>Accounts remembered although everything of theirs is indexed; it saves a look-up at their next entry.</summary>
    private const int Remembered = 50_000;

    private readonly ConcurrentDictionary<long, AccountTail> _accounts = new(concurrencyLevel: 1, capacity: 1024);
    private readonly List<(AccountTail Tail, IndexEntry Entry, long LastSeq, long High)> _staged = [];
    private int _count;
    private long _lastPos, _clockStep;

    /// <summary>Entries that are not indexed.</summary>
    public int Count => Volatile.Read(ref _count);
    /// <summary>The highest committed position.</summary>
    public long LastPos => Volatile.Read(ref _lastPos);
    /// <summary>The highest Lag there is.</summary>
    public long ClockStep => Volatile.Read(ref _clockStep);

    public static byte Kind(LogEntry entry) => (byte)((byte)entry.Flags | (entry.Direction == Direction.Out ? OutBit : 0));

    public AccountTail? Find(long account) => _accounts.GetValueOrDefault(account);

    /// <summary>All accounts with their tails, in no order.</summary>
    public IEnumerable<KeyValuePair<long, AccountTail>> Accounts => _accounts;

    /// <summary>Sets what the database says at start.</summary>
    public void Begin(long lastPos, long clockStep) => (_lastPos, _clockStep) = (lastPos, clockStep);

    /// <summary>Takes an entry that is being written; it shows after <see cref="Commit"/>.</summary>
    /// <exception cref="FencedException">Its number is not above the account's last.</exception>
    public void Stage(SqliteStoreConnection connection, LogEntry entry, long pos)
    {
        if (!_accounts.TryGetValue(entry.Account, out var tail))
        {
            tail = LogReader.ReadLast(connection, entry.Account, long.MaxValue);
            _accounts[entry.Account] = tail;
        }
        if (entry.Seq <= tail.LastSeq) throw new FencedException(entry.Account, entry.Seq);
        var lag = Math.Max(0, tail.High - entry.At);
        _staged.Add((tail, new IndexEntry(entry.Account, entry.Seq, pos, Kind(entry), entry.At, lag, entry.Peer), tail.LastSeq, tail.High));
        tail.LastSeq = entry.Seq;
        tail.High = entry.At + lag;
    }

    /// <summary>Takes back the entry staged last.</summary>
    public void UnstageLast()
    {
        var (tail, _, lastSeq, high) = _staged[^1];
        (tail.LastSeq, tail.High) = (lastSeq, high);
        _staged.RemoveAt(_staged.Count - 1);
    }

    /// <summary>Shows what was staged.</summary>
    public void Commit()
    {
        if (_staged.Count == 0) return;
        foreach (var (tail, entry, _, _) in _staged)
        {
            tail.Add(entry);
            if (entry.Lag > _clockStep) Volatile.Write(ref _clockStep, entry.Lag);
        }
        Volatile.Write(ref _lastPos, _staged[^1].Entry.Pos);
        Volatile.Write(ref _count, _count + _staged.Count);
        _staged.Clear();
    }

    /// <summary>Forgets what was staged.</summary>
    public void Rollback()
    {
        while (_staged.Count > 0) UnstageLast();
    }

    /// <summary>Takes an entry found above the indexed part at start.</summary>
    public void Recover(SqliteStoreConnection connection, IndexEntry entry, long indexedPos)
    {
        if (!_accounts.TryGetValue(entry.Account, out var tail))
        {
            tail = LogReader.ReadLast(connection, entry.Account, indexedPos);
            _accounts[entry.Account] = tail;
        }
        entry = entry with { Lag = Math.Max(0, tail.High - entry.At) };
        (tail.LastSeq, tail.High) = (Math.Max(tail.LastSeq, entry.Seq), entry.High);
        tail.Add(entry);
        _clockStep = Math.Max(_clockStep, entry.Lag);
        _lastPos = Math.Max(_lastPos, entry.Pos);
        _count++;
    }

    /// <summary>Drops what has been indexed of one account.</summary>
    public void Drop(long account, int entries)
    {
        if (!_accounts.TryGetValue(account, out var tail)) return;
        tail.DropFirst(entries);
        Volatile.Write(ref _count, _count - entries);
        if (tail.Count == 0 && _accounts.Count > Remembered && _staged.Count == 0) _accounts.TryRemove(account, out _);
    }
}

/// <summary>The entries of one account that are not indexed, ascending.</summary>
internal sealed class AccountTail
{
    private readonly Lock _gate = new();
    private IndexEntry[] _entries = [];
    private int _start, _count;
    private long _lastSeq;

    /// <summary>The last number used, uncommitted ones included.</summary>
    public long LastSeq
    {
        get => Volatile.Read(ref _lastSeq);
        set => Volatile.Write(ref _lastSeq, value);
    }

    /// <summary>The highest time up to there, 0 before the first; the writer's.</summary>
    public long High { get; set; }

    public int Count => Volatile.Read(ref _count);

    public void Add(in IndexEntry entry)
    {
        lock (_gate)
        {
            if (_start + _count == _entries.Length)
            {
                var grown = _count > _entries.Length / 2 || _entries.Length == 0 ? new IndexEntry[Math.Max(4, _count * 2)] : _entries;
                Array.Copy(_entries, _start, grown, 0, _count);
                if (ReferenceEquals(grown, _entries)) Array.Clear(_entries, _count, _entries.Length - _count);
                (_entries, _start) = (grown, 0);
            }
            _entries[_start + _count++] = entry;
        }
    }

    public void DropFirst(int entries)
    {
        lock (_gate)
        {
            Array.Clear(_entries, _start, entries);
            _start += entries;
            _count -= entries;
            if (_count == 0) (_entries, _start) = ([], 0);
        }
    }

    /// <summary>All entries up to a position.</summary>
    public void CopyThrough(long pos, List<IndexEntry> into)
    {
        lock (_gate)
        {
            foreach (ref readonly var entry in Entries)
            {
                if (entry.Pos > pos) break;
                into.Add(entry);
            }
        }
    }

    /// <summary>
    /// The first (or last) matching entries, in the order asked for, and the number of the first entry at all: everything below that is
    /// in the indexes of any snapshot taken after this call, everything from it on is not to be taken from there.
    /// </summary>
    public long Select(in LogFilter filter, int limit, bool fromEnd, List<IndexEntry> into)
    {
        lock (_gate)
        {
            var entries = Entries;
            if (entries.IsEmpty) return long.MaxValue;
            if (fromEnd)
            {
                for (var i = entries.Length - 1; i >= 0 && into.Count < limit && entries[i].Seq >= filter.From; i--)
                    if (filter.Matches(entries[i])) into.Add(entries[i]);
            }
            else
            {
                for (var i = 0; i < entries.Length && into.Count < limit && entries[i].Seq <= filter.To; i++)
                    if (filter.Matches(entries[i])) into.Add(entries[i]);
            }
            return entries[0].Seq;
        }
    }

    private ReadOnlySpan<IndexEntry> Entries => _entries.AsSpan(_start, _count);
}
