using Indaba.Server.Gateway;
using Indaba.Server.Telemetry;

namespace Indaba.Server.Sessions;

/// <summary>One stanza on its way to a device.</summary>
/// <param name="Bytes">UTF-8 in the default namespace <c>jabber:client</c>; shared between sessions, never changed.</param>
/// <param name="Seq">The log position that the device has once it acks this, or 0 for what is not in the log.</param>
/// <param name="Counted">True for stanzas, which XEP-0198 counts; false for its own elements.</param>
internal readonly record struct OutItem(byte[] Bytes, long Seq, bool Counted);

/// <summary>
/// What waits to be written to a device and, with XEP-0198, what it has not acked. Bounded twice: entries of the log
/// are taken only while the window has room (the log keeps the rest), and anything else beyond the hard bound ends the
/// session. Not thread-safe: its session's lock guards it.
/// </summary>
internal sealed class Outbox(int window, int hardBytes, Metrics metrics)
{
    private readonly Queue<OutItem> _waiting = new();
    private readonly Queue<OutItem> _unacked = new();
    private const long KeepMark = -1;
    private long _bytes, _waitingBytes;

    /// <summary>True once XEP-0198 is enabled: from then on written stanzas are kept until they are acked.</summary>
    public bool KeepsUnacked { get; private set; }
    /// <summary>How many stanzas were written since XEP-0198 was enabled, modulo 2^32.</summary>
    public uint Written { get; private set; }
    /// <summary>The highest <c>h</c> that the client has sent.</summary>
    public uint Acked { get; private set; }
    /// <summary>The highest log position written.</summary>
    public long WrittenSeq { get; private set; }
    /// <summary>Stanzas waiting to be written.</summary>
    public int Waiting => _waiting.Count;
    /// <summary>Bytes waiting to be written.</summary>
    public long WaitingBytes => _waitingBytes;
    /// <summary>Stanzas written and not acked.</summary>
    public int Unacked => _unacked.Count;
    /// <summary>True while entries of the log may be added.</summary>
    public bool HasRoom => _waiting.Count + _unacked.Count < window && _bytes < hardBytes / 2;
    /// <summary>True when nothing more can be taken at all.</summary>
    public bool IsFull => _bytes >= hardBytes || _waiting.Count + _unacked.Count >= window * 4;
    /// <summary>True when an entry of the log waits or is not acked.</summary>
    public bool HoldsEntries => _waiting.Any(i => i.Seq > 0) || _unacked.Any(i => i.Seq > 0);

    /// <summary>XEP-0198 is on from now on.</summary>
    public void Keep() => KeepsUnacked = true;

    /// <summary>XEP-0198 is on from the moment that this answer is written (section 3): what waits before it is not counted.</summary>
    public void KeepAfter(byte[] enabled) => Add(new OutItem(enabled, KeepMark, Counted: false));

    /// <summary>How much can be added at once and leave as much again: stanzas and bytes.</summary>
    public (int Stanzas, long Bytes) Room => (Math.Max(0, (window * 4) - _waiting.Count - _unacked.Count) / 2, Math.Max(0, hardBytes - _bytes) / 2);

    /// <summary>What an inactive client gets later (XEP-0352); null while it is active.</summary>
    public HeldBack? Held { get; private set; }

    /// <summary>The client is inactive from now on.</summary>
    public void HoldBack() => Held ??= new HeldBack();

    /// <summary>The client is active again: what was held waits to be written.</summary>
    public void EndHoldBack()
    {
        ReleaseHeld();
        Held = null;
    }

    private void ReleaseHeld()
    {
        if (Held is { Count: > 0 } held) held.Release(bytes => Enqueue(new OutItem(bytes, 0, Counted: true)));
    }

    /// <summary>Adds a stanza that an inactive client can have later; a newer one with the same key replaces it.</summary>
    public void AddHoldable(string key, OutItem item)
    {
        if (Held?.Take(key, item.Bytes) != true) Add(item);
    }

    /// <summary>Adds an item to what waits; what was held back comes before it, so that the order is kept.</summary>
    public void Add(OutItem item)
    {
        if (item.Counted) ReleaseHeld();
        Enqueue(item);
    }

    private void Enqueue(OutItem item)
    {
        _waiting.Enqueue(item);
        _bytes += item.Bytes.Length;
        _waitingBytes += item.Bytes.Length;
    }

    /// <summary>Writes all that waits to the channel. Returns false when there was nothing.</summary>
    public bool WriteTo(IXmlChannel channel)
    {
        if (_waiting.Count == 0) return false;
        var entries = 0;
        while (_waiting.TryDequeue(out var item))
        {
            channel.Write(item.Bytes);
            _waitingBytes -= item.Bytes.Length;
            if (item.Seq > 0) entries++;
            if (item.Seq > WrittenSeq) WrittenSeq = item.Seq;
            if (item.Counted && KeepsUnacked)
            {
                _unacked.Enqueue(item);
                Written++;
            }
            else
            {
                _bytes -= item.Bytes.Length;
                if (item.Seq == KeepMark) KeepsUnacked = true;
            }
        }
        if (entries > 0) metrics.Delivered(entries);
        return true;
    }

    /// <summary>
    /// Takes the client's <c>h</c> (XEP-0198 section 4). Returns the highest log position that it covers (0 when none),
    /// or -1 when the client acks more than was sent.
    /// </summary>
    public long Ack(uint h)
    {
        var count = unchecked(h - Acked);
        if (count > (uint)_unacked.Count) return -1;
        Acked = h;
        long seq = 0;
        for (; count > 0; count--)
        {
            var item = _unacked.Dequeue();
            _bytes -= item.Bytes.Length;
            if (item.Seq > seq) seq = item.Seq;
        }
        return seq;
    }

    /// <summary>
    /// Puts what was written and not acked back in front of what waits, for resumption (XEP-0198 section 5). What waits
    /// and is not counted belonged to the old connection and goes.
    /// </summary>
    public void Rewind()
    {
        var waiting = _waiting.Where(i => i.Counted).ToArray();
        _waiting.Clear();
        Written = unchecked(Written - (uint)_unacked.Count);
        while (_unacked.TryDequeue(out var item)) _waiting.Enqueue(item);
        foreach (var item in waiting) _waiting.Enqueue(item);
        _bytes = _waitingBytes = _waiting.Sum(i => (long)i.Bytes.Length);
    }

    /// <summary>All that the device has not acked, in order: for what must happen to it when the session ends.</summary>
    public OutItem[] Remaining() => [.. _unacked, .. _waiting.Where(i => i.Counted)];
}
