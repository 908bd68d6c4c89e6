using Indaba.Xmpp;

namespace Indaba.Server.Accounts;

/// <summary>What one session has told of itself and asked for: its presence as others get it, and to whom it sent presence directly.</summary>
internal sealed class PresenceState
{
    /// <summary>Entities that one session may have sent presence to without a subscription; a client in this many rooms is still served.</summary>
    public const int MaxDirected = 1000;

    private readonly Lock _lock = new();
    private byte[]? _available;
    private HashSet<Jid>? _directed;
    private bool _ended;

    /// <summary>True once the client asked for the roster: changes are pushed to it (RFC 6121 section 2.2, "interested resource").</summary>
    public bool WantsRoster { get; set; }

    /// <summary>True once the client asked for the block list: changes are pushed to it (XEP-0191 section 3.3).</summary>
    public bool WantsBlockList { get; set; }

    /// <summary>The last broadcast presence without its <c>to</c>, as UTF-8; null while unavailable.</summary>
    public byte[]? Available => Volatile.Read(ref _available);

    /// <summary>True once the session is over: whatever it is still broadcasting must be taken back.</summary>
    public bool Ended { get { lock (_lock) return _ended; } }

    /// <summary>The session is available, or available in another way; false when it is over already.</summary>
    public bool TryAppear(byte[] presence)
    {
        lock (_lock)
        {
            if (_ended) return false;
            _available = presence;
            return true;
        }
    }

    /// <summary>
    /// The session is not available any more. Tells whether it was, and to whom it had sent presence directly; both only once.
    /// </summary>
    public bool Disappear(bool ended, out IReadOnlyCollection<Jid> directed)
    {
        lock (_lock)
        {
            _ended |= ended;
            var was = _available is not null;
            _available = null;
            directed = _directed ?? (IReadOnlyCollection<Jid>)[];
            _directed = null;
            return was;
        }
    }

    /// <summary>Notes that presence was sent to an entity directly (RFC 6121 section 4.6.3); false when the session is over or the list is full.</summary>
    public bool TryDirect(Jid to)
    {
        lock (_lock)
        {
            if (_ended) return false;
            _directed ??= [];
            return _directed.Contains(to) || (_directed.Count < MaxDirected && _directed.Add(to));
        }
    }

    /// <summary>Forgets an entity that was told, or has told, that it is over (RFC 6121 section 4.6.1).</summary>
    public void Undirect(Jid to)
    {
        if (Volatile.Read(ref _directed) is null) return;
        lock (_lock) _directed?.Remove(to);
    }

    /// <summary>True when the session sent presence to this address directly, or to its bare JID.</summary>
    public bool HasDirected(Jid jid)
    {
        if (Volatile.Read(ref _directed) is null) return false;
        lock (_lock) return _directed is { } directed && (directed.Contains(jid) || directed.Contains(jid.Bare));
    }

    /// <summary>Takes out of the list whom the account is about to block.</summary>
    public IReadOnlyList<Jid> TakeDirected(BlockList blocked)
    {
        if (Volatile.Read(ref _directed) is null) return [];
        lock (_lock)
        {
            if (_directed is null) return [];
            Jid[] taken = [.. _directed.Where(blocked.Matches)];
            _directed.ExceptWith(taken);
            return taken;
        }
    }
}
