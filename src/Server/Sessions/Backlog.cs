using Indaba.Server.Accounts;
using Indaba.Server.Mailbox;

namespace Indaba.Server.Sessions;

/// <summary>How a session follows its account's log.</summary>
internal enum FollowMode
{
    /// <summary>Not taking messages (no presence yet, or a negative priority): entries stay in the log.</summary>
    Paused,
    /// <summary>Reading the log up to its end, page by page, as far as the window has room.</summary>
    CatchUp,
    /// <summary>At the end of the log: commits are pushed as they happen.</summary>
    Live,
}

/// <summary>
/// Follows the account's log for one session: a finite backlog first, then the live tail, always in the order of
/// positions. When the device is slow the session falls back to reading the log, so nothing is dropped and memory stays
/// bounded. All members but <see cref="Continue"/> are called under the session's lock.
/// </summary>
internal sealed class Backlog(Node node, Session session, Lock @lock, Outbox outbox)
{
    private const int Page = 64;
    private const int MaxEarly = 256;
    private HashSet<long>? _early; // delivered by full JID while paused, ahead of the position
    private long _position;  // everything up to here is handed over or is not for this device
    private long _seen;      // the highest committed position offered
    private long _old;       // entries up to here were committed before delivery began: pending rules, with a delay
    private bool _skipped;   // while paused: something was left in the log
    private bool _pumping;
    private bool _named;

    /// <summary>The present mode.</summary>
    public FollowMode Mode { get; private set; } = FollowMode.Paused;

    /// <summary>Everything up to here was handed to the outbox or is not for this device.</summary>
    public long Position => _position;

    /// <summary>Sets where the device stands: what it has acked, and the last committed position.</summary>
    public void StartAt(long acked, long last, bool named)
    {
        _position = acked;
        _seen = last;
        _skipped = last > acked;
        _named = named;
    }

    /// <summary>The session takes messages from now on.</summary>
    public void Start()
    {
        if (Mode != FollowMode.Paused) return;
        _old = session.Account.CommittedSeq;
        Mode = FollowMode.CatchUp;
    }

    /// <summary>The session takes no messages for the time being.</summary>
    public void Pause()
    {
        if (Mode == FollowMode.Paused) return;
        _skipped = Mode == FollowMode.CatchUp;
        Mode = FollowMode.Paused;
    }

    /// <summary>Takes a committed entry; true when something was put into the outbox.</summary>
    public bool Offer(LogEntry entry)
    {
        if (entry.Seq > _seen) _seen = entry.Seq;
        if (Mode == FollowMode.CatchUp || entry.Seq <= _position) return false;
        var how = Copies.Decide(session, entry);
        if (Mode == FollowMode.Live)
        {
            if (how != Copy.None && !outbox.HasRoom)
            {
                Mode = FollowMode.CatchUp; // the rest is read from the log when the device has caught up
                return false;
            }
            _position = entry.Seq;
            if (how == Copy.None) return false;
            outbox.Add(new OutItem(Copies.Render(session, entry, how), entry.Seq, Counted: true));
            return true;
        }
        return OfferPaused(entry, how);
    }

    private bool OfferPaused(LogEntry entry, Copy how)
    {
        if (how == Copy.None || !outbox.HasRoom || (_skipped && (_early?.Count ?? 0) >= MaxEarly))
        {
            _skipped |= entry.Direction == Direction.In && entry.Flags.HasFlag(EntryFlags.Pending);
            if (!_skipped) _position = entry.Seq;
            return false;
        }
        if (_skipped) (_early ??= []).Add(entry.Seq);
        else _position = entry.Seq;
        // A cursor must not move over what was left in the log, so an early delivery does not move it.
        outbox.Add(new OutItem(Copies.Render(session, entry, how), _skipped ? 0 : entry.Seq, Counted: true));
        return true;
    }

    /// <summary>Goes on reading the log, unless that is under way, not needed, or the window has no room. Call without the lock.</summary>
    public void Continue()
    {
        lock (@lock)
        {
            if (_pumping || Mode != FollowMode.CatchUp || !outbox.HasRoom || session.State == SessionState.Ended) return;
            _pumping = true;
        }
        _ = PumpAsync();
    }

    private async Task PumpAsync()
    {
        try
        {
            while (true)
            {
                long from, old;
                lock (@lock) (from, old) = (_position, _old);
                var past = from < old;
                var account = session.Account.Id;
                var entries = past
                    ? await node.Mailbox.ReadPendingAsync(account, from, Page).ConfigureAwait(false)
                    : await node.Mailbox.ReadAsync(account, from + 1, long.MaxValue, Page).ConfigureAwait(false);
                node.Metrics.BacklogRead(entries.Count);
                bool more;
                lock (@lock)
                {
                    more = Take(entries, past);
                    if (!more) _pumping = false;
                }
                session.Kick();
                if (!more) return;
            }
        }
        catch (Exception error)
        {
            lock (@lock) _pumping = false;
            node.Log.BacklogFailed(session.Jid, error); // the next ack or push tries again; nothing was lost
        }
    }

    /// <summary>Hands a page over; false when reading is to stop (caught up, no room, or not wanted any more).</summary>
    private bool Take(IReadOnlyList<LogEntry> entries, bool past)
    {
        foreach (var entry in entries)
        {
            if (Mode != FollowMode.CatchUp || session.State == SessionState.Ended) return false;
            if (past && entry.Seq > _old) break;
            if (entry.Seq <= _position) continue;
            if (!outbox.HasRoom) return false;
            _position = entry.Seq;
            if (_early?.Remove(entry.Seq) == true) continue;
            var how = past ? session.Account.IsPendingFor(session, entry, _named) ? Copy.Delayed : Copy.None : Copies.Decide(session, entry);
            if (how != Copy.None) outbox.Add(new OutItem(Copies.Render(session, entry, how), entry.Seq, Counted: true));
        }
        if (Mode != FollowMode.CatchUp) return false;
        if (past)
        {
            if (entries.Count < Page || entries[^1].Seq > _old) _position = Math.Max(_position, _old);
            return true;
        }
        if (entries.Count == Page || _seen > _position) return true;
        Mode = FollowMode.Live;
        _early = null;
        return false;
    }
}
