namespace Indaba.Server.Sessions;

/// <summary>Something that a client sent and that is dealt with in the order of arrival.</summary>
internal abstract class InboxItem
{
    /// <summary>True when the item needs nothing more.</summary>
    public bool Done { get; set; }
    /// <summary>True once <see cref="AtHead"/> was called.</summary>
    public bool Started { get; set; }
    /// <summary>True for a stanza (XEP-0198 counts it), false for the protocol's own elements.</summary>
    public virtual bool Counted => true;
    /// <summary>True for an item that works only once everything before it is done.</summary>
    public virtual bool WaitsForHead => false;
    /// <summary>
    /// Called once, when everything before it is done; not for an item that does not wait. <paramref name="onCaller"/> is
    /// false on somebody else's thread (that of the commits), which must not be held up.
    /// </summary>
    public virtual void AtHead(Inbox inbox, bool onCaller) { }
    /// <summary>Called once, under the inbox's lock, when the item and everything before it are done: <c>h</c> covers it.</summary>
    public virtual void Handled() { }
}

/// <summary>
/// The order of what a client sent. Messages are committed many at a time, so their ends come later than their
/// beginnings; <c>h</c> (XEP-0198) moves over finished heads only, and whatever must not overtake a message
/// (an ack request, an iq, a presence) waits here for its turn.
/// </summary>
internal sealed class Inbox(int bound)
{
    private readonly Lock _lock = new();
    private readonly Queue<InboxItem> _items = new();
    private TaskCompletionSource? _room, _empty;
    private uint _handled;
    private int _waiting;
    private bool _abandoned;

    /// <summary>How many stanzas were handled to their end, modulo 2^32: the <c>h</c> of XEP-0198.</summary>
    public uint Handled { get { lock (_lock) return _handled; } }
    /// <summary>Counting starts when XEP-0198 is enabled (section 4: h is 0 then); what came before is not counted.</summary>
    public void StartCounting() { lock (_lock) _handled = unchecked(0u - (uint)_items.Count(i => i.Counted)); }

    /// <summary>Completes when nothing is pending: then <see cref="Handled"/> covers all that was received.</summary>
    public Task EmptyAsync()
    {
        lock (_lock)
        {
            if (_items.Count == 0 || _abandoned) return Task.CompletedTask;
            return (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>How many items are not done.</summary>
    public int Count { get { lock (_lock) return _items.Count; } }

    /// <summary>True when nothing is pending: the next thing may be done at once.</summary>
    public bool IsEmpty { get { lock (_lock) return _items.Count == 0; } }
    /// <summary>True when a message may be begun now: nothing before it is still waiting to be begun.</summary>
    public bool MayBegin { get { lock (_lock) return _waiting == 0; } }

    /// <summary>Counts one stanza that was dealt with at once, while nothing was pending.</summary>
    public void CountOne() { lock (_lock) _handled++; }

    /// <summary>Enters an item at the end of the order.</summary>
    public void Add(InboxItem item)
    {
        lock (_lock)
        {
            _items.Enqueue(item);
            if (item.Counted && item.WaitsForHead) _waiting++;
        }
        Advance(item);
    }

    /// <summary>Marks an item as done and moves on over finished heads. Thread-safe.</summary>
    public void Complete(InboxItem item)
    {
        lock (_lock) item.Done = true;
        Advance(null);
    }

    /// <summary>Completes when there is room for more: the read loop waits for it, so a slow database makes back-pressure.</summary>
    public Task RoomAsync()
    {
        lock (_lock)
        {
            if (_items.Count < bound || _abandoned) return Task.CompletedTask;
            return (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>Nothing more is acked or begun: the account is another node's now. Whoever waits goes on, and finds the session ended.</summary>
    public void Abandon()
    {
        TaskCompletionSource? room, empty;
        lock (_lock)
        {
            _abandoned = true;
            (room, _room) = (_room, null);
            (empty, _empty) = (_empty, null);
        }
        room?.TrySetResult();
        empty?.TrySetResult();
    }

    private void Advance(InboxItem? added)
    {
        while (true)
        {
            TaskCompletionSource? room = null, empty = null;
            InboxItem? head;
            lock (_lock)
            {
                if (_abandoned) return;
                while (_items.TryPeek(out head) && head.Done)
                {
                    _items.Dequeue();
                    if (head.Counted) _handled++;
                    if (head.Counted && head.WaitsForHead) _waiting--;
                    head.Handled();
                }
                if (_items.Count < bound && _room is not null) (room, _room) = (_room, null);
                if (_items.Count == 0 && _empty is not null) (empty, _empty) = (_empty, null);
                if (head is { WaitsForHead: true, Started: false }) head.Started = true;
                else head = null;
            }
            room?.TrySetResult();
            empty?.TrySetResult();
            if (head is null) return;
            head.AtHead(this, ReferenceEquals(head, added)); // completes the item at once or later; nothing behind it starts before
        }
    }
}
