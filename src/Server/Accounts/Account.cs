using Indaba.Server.Mailbox;
using Indaba.Server.Modules;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;

namespace Indaba.Server.Accounts;

/// <summary>
/// The state of one account, held by exactly one node: who serves its devices, where its log stands, what was sent
/// lately. Published by <see cref="AccountGrain"/> in <see cref="LocalAccounts"/>; messages reach it by direct calls.
/// </summary>
internal sealed class Account
{
    private readonly Node _node;
    private readonly SendWindow _window = new();
    private readonly Dictionary<string, Cursor> _cursors = new(StringComparer.Ordinal);
    private object?[]? _slots;
    private Session[] _sessions = [];
    private long _lastSeq, _committedSeq;
    private readonly Dictionary<long, MessageAppend> _inFlight = [];
    private TaskCompletionSource? _idle;
    private bool _lost;

    public Account(Node node, AccountRow row, LogHead head)
    {
        _node = node;
        Row = row;
        Epoch = head.Epoch;
        Jid = Jid.TryCreate(row.Local, row.Domain, null, out var jid) ? jid : throw new InvalidOperationException($"account {row.Id} has an invalid name");
        EscapedJid = System.Security.SecurityElement.Escape(Jid.ToString());
        _lastSeq = _committedSeq = head.LastSeq;
        foreach (var cursor in head.Cursors) Keep(cursor);
        _window.Fill(head.Tail);
    }

    /// <summary>Guards the log's head, the window and the sessions. No two accounts are ever locked at once.</summary>
    public Lock Lock { get; } = new();
    /// <summary>This node's claim of the log: what is appended under a former one is refused.</summary>
    public long Epoch { get; }
    /// <summary>What other nodes ask of it, one after another.</summary>
    public Turns Turns { get; } = new();
    /// <summary>How far other nodes are with what they send.</summary>
    public Feeds Feeds { get; } = new();
    /// <summary>The account as stored.</summary>
    public AccountRow Row { get; }
    /// <summary>The immutable id that everything is keyed by.</summary>
    public long Id => Row.Id;
    /// <summary>The bare JID.</summary>
    public Jid Jid { get; }
    /// <summary>The bare JID as XML attribute text.</summary>
    public string EscapedJid { get; }
    /// <summary>The sessions bound to this account; the array is replaced, never changed.</summary>
    public Session[] Sessions => Volatile.Read(ref _sessions);
    /// <summary>The last position that is on disk.</summary>
    public long CommittedSeq => Volatile.Read(ref _committedSeq);
    /// <summary>True once the grain lets go: callers look the account up again.</summary>
    public bool Closed { get; private set; }
    /// <summary>The window of recent sends; under <see cref="Lock"/>.</summary>
    public SendWindow Window => _window;

    /// <summary>A module's own state on this account.</summary>
    public T? Get<T>(Slot<T> slot) where T : class => (T?)(_slots is { } s ? Volatile.Read(ref s[slot.Index]) : null);
    /// <summary>Sets a module's own state.</summary>
    public void Set<T>(Slot<T> slot, T? value) where T : class
    {
        if (_slots is null) Interlocked.CompareExchange(ref _slots, new object?[_node.Modules.AccountSlots], null);
        Volatile.Write(ref _slots![slot.Index], value);
    }

    // --- the log's head, under Lock ---

    /// <summary>Gives the next position.</summary>
    public long NextSeq() => ++_lastSeq;

    /// <summary>Notes an append that is on its way; <see cref="EndAppend"/> ends it.</summary>
    public void BeginAppend(MessageAppend append, long seq) => _inFlight.Add(seq, append);

    /// <summary>The append of a position that is not on disk yet, or null.</summary>
    public MessageAppend? InFlight(long seq) => _inFlight.GetValueOrDefault(seq);

    /// <summary>The position of a message that the account has sent to a peer and that is not on disk yet; 0 when there is none with this id. Takes the lock itself.</summary>
    public long FindSending(string peer, string messageId)
    {
        lock (Lock)
        {
            long found = 0;
            foreach (var (seq, append) in _inFlight)
            {
                if (append.Entry is { Direction: Direction.Out } entry && entry.MessageId == messageId && entry.Peer == peer) found = Math.Max(found, seq);
            }
            return found;
        }
    }

    /// <summary>An append has ended, committed or failed. Takes the lock itself.</summary>
    public void EndAppend(long seq, bool committed)
    {
        lock (Lock)
        {
            if (committed) _committedSeq = Math.Max(_committedSeq, seq);
            _inFlight.Remove(seq);
            if (_inFlight.Count == 0) _idle?.TrySetResult();
        }
    }

    // --- sessions ---

    /// <summary>True when a session with this resource is bound (connected or waiting for resumption).</summary>
    public bool HasResource(string resource) => Find(resource) is not null;

    /// <summary>The session with this resource, or null.</summary>
    public Session? Find(string resource)
    {
        foreach (var session in Sessions) if (session.Jid.Resource == resource) return session;
        return null;
    }

    /// <summary>Enters a session; false when the account is closed (look it up again) or has too many sessions already.</summary>
    public bool Attach(Session session, out bool tooMany)
    {
        lock (Lock)
        {
            tooMany = _sessions.Length >= _node.Options.Limits.SessionsPerAccount;
            if (Closed || tooMany) return false;
            var (acked, named) = StartOf(session.Device);
            session.StartAt(acked, _committedSeq, named);
            _sessions = [.. _sessions, session];
            return true;
        }
    }

    /// <summary>
    /// Takes an ended session out. What was addressed to its resource and not acked goes to the devices that are there
    /// (XEP-0198 section 4: as if sent to an unavailable resource); what is in the log stays pending for the device itself.
    /// </summary>
    public async Task DetachAsync(Session session, OutItem[] remaining, bool notifyPeers)
    {
        bool last;
        lock (Lock)
        {
            _sessions = [.. _sessions.Where(s => s != session)];
            last = _sessions.Length == 0;
        }
        if (notifyPeers) await _node.Presence.SessionEndedAsync(session).ConfigureAwait(false);
        foreach (var hook in _node.Modules.Hooks(Stage.Unbound))
            await hook(new StageContext(_node, null, session, this)).ConfigureAwait(false);
        await RerouteAsync(session, remaining).ConfigureAwait(false);
        if (last) _node.Accounts.Release(this);
    }

    private async Task RerouteAsync(Session session, OutItem[] remaining)
    {
        foreach (var item in remaining)
        {
            if (item.Seq == 0)
            {
                _node.Router.Bounce(item.Bytes);
                continue;
            }
            if (Sessions.Length == 0) continue;
            var entry = await _node.Mailbox.FindAsync(Id, item.Seq).ConfigureAwait(false);
            if (entry is not { Direction: Direction.In } || entry.Target != session.Jid.Resource) continue;
            foreach (var other in Sessions.Where(s => s is { TakesMessages: true, Carbons: false })) other.SendBytes(entry.Stanza, counted: true);
        }
    }

    // --- cursors ---

    /// <summary>A device has acked up to a position; never moves back.</summary>
    public void MoveCursor(DeviceKey device, long seq)
    {
        lock (Lock)
        {
            if (_cursors.TryGetValue(device.Key, out var old) && old.AckedSeq >= seq) return;
            Keep(new Cursor(device.Key, device.Resource, seq, _node.Time.GetUtcNow().ToUnixTimeMilliseconds()));
        }
        _node.Mailbox.Cursors.Move(Id, device.Key, device.Named ? device.Resource : "", seq);
    }

    /// <summary>
    /// Makes a device known that was never here: its cursor begins where its delivery will. True when it is new; the cursor
    /// must be on disk before the device is told that it is bound, or after a crash it would be new again and begin behind
    /// what other devices acked meanwhile.
    /// </summary>
    public bool Introduce(DeviceKey device)
    {
        long seq;
        lock (Lock)
        {
            if (!device.Named || _cursors.ContainsKey(device.Key)) return false;
            seq = StartOf(device).Acked;
        }
        MoveCursor(device, seq);
        return true;
    }

    /// <summary>The cursors as they stand.</summary>
    public Cursor[] Cursors() { lock (Lock) return [.. _cursors.Values]; }

    /// <summary>
    /// Where a device's delivery begins. A device that is known goes on where it was; one that is not gets what no device
    /// has acked (XEP-0160).
    /// </summary>
    private (long Acked, bool Named) StartOf(DeviceKey device)
    {
        if (_cursors.TryGetValue(device.Key, out var own)) return (own.AckedSeq, device.Named);
        return (_cursors.Count == 0 ? 0 : _cursors.Values.Max(c => c.AckedSeq), device.Named);
    }

    /// <summary>True when an entry that was committed before delivery to the session began waits for it.</summary>
    public bool IsPendingFor(Session session, LogEntry entry, bool named)
    {
        if (entry.Direction != Direction.In || !entry.Flags.HasFlag(EntryFlags.Pending)) return false;
        if (entry.Seq <= session.ArchivedUpTo && entry.Flags.HasFlag(EntryFlags.Archived)) return false;
        if (entry.Target == session.Jid.Resource) return true;
        lock (Lock)
        {
            if (entry.Target is null) return named || !_cursors.Values.Any(c => c.Device.Length > 0 && c.AckedSeq >= entry.Seq);
            return !_cursors.Values.Any(c => c.Resource == entry.Target && c.AckedSeq >= entry.Seq) && !HasResource(entry.Target);
        }
    }

    private void Keep(Cursor cursor)
    {
        if (!_cursors.TryGetValue(cursor.Device, out var old) || old.AckedSeq <= cursor.AckedSeq) _cursors[cursor.Device] = cursor;
        // As many as are stored: a client can invent devices without end.
        if (_cursors.Count > Mailbox.Cursors.MaxPerAccount) _cursors.Remove(_cursors.Values.MinBy(c => c.At)!.Device);
    }

    // --- life ---

    /// <summary>
    /// Another node has claimed the log. What was under way there is not acked; the devices come back and find the new owner.
    /// Never blocks.
    /// </summary>
    public void Lose()
    {
        lock (Lock)
        {
            if (_lost) return;
            Closed = _lost = true;
        }
        _node.Log.AccountLost(Jid);
        foreach (var session in Sessions) session.Inbox.Abandon();
        _node.Accounts.Lost(this);
        foreach (var session in Sessions) _ = session.EndAsync(notifyPeers: false, new Streams.StreamClosing(Indaba.Xmpp.Streams.StreamCondition.Reset));
    }

    /// <summary>Refuses new work and completes when what was begun has ended; then the grain may go.</summary>
    public Task CloseAsync()
    {
        lock (Lock)
        {
            Closed = true;
            if (_inFlight.Count == 0) return Task.CompletedTask;
            return (_idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }
}
