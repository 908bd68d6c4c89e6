using System.Text;
using Indaba.Server.Accounts;
using Indaba.Server.Gateway;
using Indaba.Server.Mailbox;
using Indaba.Server.Modules;
using Indaba.Server.Streams;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Sessions;

/// <summary>Whether a connection carries the session now.</summary>
internal enum SessionState { Connected, Detached, Ended }

/// <summary>
/// The process of one connected device: one bound resource with an id, a bounded outbound queue and, with XEP-0198, what
/// the device has not acked. It outlives its connection for the resumption time; what it cannot hold is in the log.
/// </summary>
internal sealed class Session
{
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(2);
    private readonly Lock _lock = new();
    private readonly Node _node;
    private readonly Backlog _backlog;
    private readonly Outbox _outbox;
    private object?[]? _slots;
    private SessionWriter? _writer; // null while no connection carries the session
    private bool _dirty, _taking;
    private ITimer? _expiry;
    private TaskCompletionSource? _taken;

    public Session(Node node, Account account, Jid jid, DeviceKey device, IXmlChannel channel)
    {
        _node = node;
        Account = account;
        Jid = jid;
        JidText = jid.ToString();
        Device = device;
        Address = channel.Remote?.ToString() ?? "";
        Transport = channel.Transport;
        Secure = channel.IsSecure;
        Since = node.Time.GetUtcNow();
        var limits = node.Options.Limits;
        _outbox = new Outbox(limits.UnackedWindow, limits.OutboundBytes, node.Metrics);
        Inbox = new Inbox(limits.InboundUncommitted);
        _backlog = new Backlog(node, this, _lock, _outbox);
        Acks = new DeliveryAcks(node, this, _lock, _outbox);
        _writer = new SessionWriter(this, _backlog, _lock, _outbox, channel);
    }

    /// <summary>The session's id, also its XEP-0198 resumption id: 160 random bits.</summary>
    public string Id { get; } = Ids.Token();
    /// <summary>The account it belongs to.</summary>
    public Account Account { get; }
    /// <summary>The full JID.</summary>
    public Jid Jid { get; }
    /// <summary>The full JID as text: compared with the sender of each entry.</summary>
    public string JidText { get; }
    /// <summary>What names the device, for cursors and repeated sends.</summary>
    public DeviceKey Device { get; }
    /// <summary>When it was bound.</summary>
    public DateTimeOffset Since { get; }
    /// <summary>The client's address at binding.</summary>
    public string Address { get; private set; }
    public string Transport { get; private set; }
    public bool Secure { get; private set; }
    /// <summary>What the client sent and what is done of it.</summary>
    public Inbox Inbox { get; }
    /// <summary>How it is learnt what the device has.</summary>
    public DeliveryAcks Acks { get; }
    public SessionState State { get; private set; }
    /// <summary>What routing needs of the last available presence (show, priority), or null while unavailable; the whole of it is in <see cref="PresenceState"/>.</summary>
    public Presence? Presence { get; private set; }
    /// <summary>True while available with a priority that is not negative: bare-JID messages go here (RFC 6121 section 8.5.2).</summary>
    public bool TakesMessages { get; private set; }
    /// <summary>True once the client asked for copies (XEP-0280).</summary>
    public bool Carbons { get; set; }
    /// <summary>True while resumption is allowed (XEP-0198 section 5).</summary>
    public bool Resumable { get; set; }
    /// <summary>True while the client says that nobody looks at it (XEP-0352).</summary>
    public bool Inactive { get; private set; }

    /// <summary>A module's own state on this session.</summary>
    public T? Get<T>(Slot<T> slot) where T : class => (T?)_slots?[slot.Index];
    /// <summary>Sets a module's own state.</summary>
    public void Set<T>(Slot<T> slot, T? value) where T : class => (_slots ??= new object?[_node.Modules.SessionSlots])[slot.Index] = value;

    /// <summary>A row for the process table.</summary>
    public SessionInfo Info()
    {
        lock (_lock)
        {
            return new SessionInfo(Id[..12], Jid.ToString(), Device.Key, _node.Name, Address, Since,
                State == SessionState.Connected ? _backlog.Mode.ToString() : State.ToString(), _outbox.Waiting, _outbox.Unacked, Transport, Secure);
        }
    }

    /// <summary>True while the session holds an entry or may still deliver it: for the life of a message.</summary>
    public bool Holds(long seq) { lock (_lock) return _outbox.WrittenSeq >= seq; }

    // --- what goes to the device ---

    /// <summary>
    /// Sends a stanza that is not in the log. False when the session cannot take it; it is then ended, since it would
    /// miss something (an unread queue is bounded: a client that never reads costs bounded memory).
    /// </summary>
    public bool Send(Element element) => SendBytes(XmppWriter.ToBytes(element, Ns.Client), counted: true);

    /// <summary>As <see cref="Send"/> for a stanza that is serialised already; an inactive client may get it later (XEP-0352).</summary>
    public void SendStanza(Element element, byte[] bytes) => SendBytes(bytes, counted: true, Inactive ? HeldBack.KeyOf(element) : null);

    /// <summary>Sends an element of the protocol's own, which XEP-0198 does not count.</summary>
    public bool SendUncounted(byte[] bytes) => SendBytes(bytes, counted: false);

    /// <summary>
    /// As <see cref="Send"/>, already serialised (shared bytes are fine). With <paramref name="holdKey"/> an inactive
    /// client gets it later, or a newer one with the same key in its place (XEP-0352, <see cref="HeldBack.KeyOf"/>).
    /// </summary>
    public bool SendBytes(byte[] bytes, bool counted, string? holdKey = null)
    {
        lock (_lock)
        {
            if (State == SessionState.Ended) return false;
            if (!_outbox.IsFull)
            {
                if (!counted && _writer is null) return true;
                if (holdKey is null) _outbox.Add(new OutItem(bytes, 0, counted));
                else _outbox.AddHoldable(holdKey, new OutItem(bytes, 0, counted));
                if (_dirty) return true; // the completion loop is about to flush this session
                goto kick;
            }
        }
        _node.Log.SessionOverflow(Jid);
        _ = EndAsync(notifyPeers: true);
        return false;
    kick:
        Kick();
        return true;
    }

    /// <summary>Sends stanzas in one piece. The caller has asked <see cref="Room"/> before.</summary>
    public void SendAll(ReadOnlySpan<byte[]> stanzas)
    {
        lock (_lock)
        {
            if (State == SessionState.Ended) return;
            foreach (var bytes in stanzas) _outbox.Add(new OutItem(bytes, 0, Counted: true));
            if (_dirty) return;
        }
        Kick();
    }

    /// <summary>How many stanzas and bytes the session takes at once without coming near the bound that ends it.</summary>
    public (int Stanzas, long Bytes) Room { get { lock (_lock) return _outbox.Room; } }

    /// <summary>The client tells whether somebody looks at it (XEP-0352).</summary>
    public void SetInactive(bool inactive)
    {
        lock (_lock)
        {
            Inactive = inactive;
            if (inactive) _outbox.HoldBack();
            else _outbox.EndHoldBack();
        }
        if (!inactive) Kick();
    }

    /// <summary>Offers a committed entry; called in order of positions, on the completion loop.</summary>
    public void Offer(LogEntry entry)
    {
        lock (_lock)
        {
            if (State == SessionState.Ended || !_backlog.Offer(entry)) return;
            MarkDirty();
        }
    }

    /// <summary>The completion loop flushes this session at the end of its batch. Call under no other session's lock.</summary>
    public void MarkDirty()
    {
        if (_dirty) return;
        _dirty = true;
        _node.Sessions.Dirty(this);
    }

    /// <summary>Called by the completion loop after a batch.</summary>
    public void FlushDirty()
    {
        lock (_lock) _dirty = false;
        Kick();
    }

    /// <summary>Starts writing what waits, unless a writer is at it.</summary>
    public void Kick()
    {
        SessionWriter? writer;
        lock (_lock) writer = _writer;
        writer?.Kick();
    }

    /// <summary>Completes when what waits is written as far as the connection takes it: the read loop waits for it before it makes more.</summary>
    public Task DrainedAsync() { lock (_lock) return _writer?.DrainedAsync(_node.Options.Limits.OutboundBytes / 4) ?? Task.CompletedTask; }

    // --- XEP-0198 ---

    /// <summary>Starts counting and keeping with binding (XEP-0386); nothing has been written yet.</summary>
    public void EnableManagement(bool resume)
    {
        lock (_lock) _outbox.Keep();
        AllowResumption(resume);
    }

    /// <summary>Starts counting and keeping with the answer to a request (XEP-0198 section 3).</summary>
    public void EnableManagement(byte[] enabled)
    {
        Inbox.StartCounting();
        lock (_lock) _outbox.KeepAfter(enabled);
        Kick();
    }

    /// <summary>Whether the session outlives its connection.</summary>
    public void AllowResumption(bool resume) => Resumable = resume && _node.Options.StreamManagement.ResumeSeconds > 0;

    /// <summary>True once the client has asked for XEP-0198 on this session.</summary>
    public bool ManagementAsked { get; set; }

    /// <summary>Stanzas sent since XEP-0198 was enabled, modulo 2^32.</summary>
    public uint SentCount { get { lock (_lock) return _outbox.Written; } }

    /// <summary>Answers an ack request. Within a batch of commits it leaves with what the batch gives this session.</summary>
    public void SendAck(uint h) => SendUncounted(Encoding.UTF8.GetBytes($"<a xmlns='{Ns.StreamManagement}' h='{h}'/>"));

    // --- presence ---

    /// <summary>Records the session's own presence (null: unavailable) and starts or pauses the delivery of what waits in the log.</summary>
    public void SetPresence(Presence? presence)
    {
        lock (_lock)
        {
            Presence = presence;
            TakesMessages = presence is { Priority: >= 0 };
            if (TakesMessages) _backlog.Start();
            else _backlog.Pause();
        }
        _backlog.Continue();
    }

    /// <summary>Sets where the device's delivery begins; called once, at attachment, before any entry is offered.</summary>
    public void StartAt(long acked, long last, bool named) { lock (_lock) _backlog.StartAt(acked, last, named); }

    /// <summary>The device reads what is archived up to now from the archive (XEP-0386 section 4.1): it is not pushed as well.</summary>
    public void ArchiveCovers() => ArchivedUpTo = Account.CommittedSeq;

    /// <summary>Archived entries up to this position are not pushed (see <see cref="ArchiveCovers"/>).</summary>
    public long ArchivedUpTo { get; private set; }

    /// <summary>The client's delivery has moved: asks for more of what waits in the log.</summary>
    public void Continue() => _backlog.Continue();

    // --- connection, resumption, end ---

    /// <summary>
    /// The connection is gone. With resumption the session waits for its device; without, it ends. Nothing happens when
    /// another connection has already taken over.
    /// </summary>
    public Task DetachAsync(IXmlChannel channel, bool mayResume)
    {
        lock (_lock)
        {
            if (_writer?.Channel != channel || State != SessionState.Connected) return Task.CompletedTask;
            _ = _writer.Stop();
            _writer = null;
            if (mayResume && Resumable && !_node.Stopping)
            {
                Park();
                return Task.CompletedTask;
            }
        }
        return EndAsync(notifyPeers: true);
    }

    /// <summary>Waits for the device, for the resumption time at most. Under the lock.</summary>
    private void Park()
    {
        State = SessionState.Detached;
        var time = TimeSpan.FromSeconds(_node.Options.StreamManagement.ResumeSeconds);
        _expiry ??= _node.Time.CreateTimer(static s => _ = ((Session)s!).ExpireAsync(), this, time, Timeout.InfiniteTimeSpan);
    }

    private Task ExpireAsync()
    {
        lock (_lock) if (State != SessionState.Detached) return Task.CompletedTask;
        return EndAsync(notifyPeers: true);
    }

    /// <summary>The connection begins to hand over an element; false when another one has taken the session over.</summary>
    public bool BeginTake(IXmlChannel channel)
    {
        lock (_lock)
        {
            if (_writer?.Channel != channel) return false;
            _taking = true;
            return true;
        }
    }

    /// <summary>The element was entered into the order of work.</summary>
    public void EndTake()
    {
        TaskCompletionSource? taken;
        lock (_lock)
        {
            _taking = false;
            (taken, _taken) = (_taken, null);
        }
        taken?.TrySetResult();
    }

    /// <summary>
    /// Takes the session away from its connection for a resumption (XEP-0198 section 5) and completes when all that was
    /// received is done, so that <c>h</c> covers it and the client sends nothing twice. False when the session has ended.
    /// </summary>
    public async Task<bool> PrepareResumeAsync()
    {
        Task taken = Task.CompletedTask, written = Task.CompletedTask;
        IXmlChannel? old;
        lock (_lock)
        {
            if (State == SessionState.Ended) return false;
            Park();
            if (_writer is not null) written = _writer.Stop();
            (old, _writer) = (_writer?.Channel, null);
            if (_taking) taken = (_taken ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
        if (old is not null) _ = ReplaceAsync(old, written);
        await taken.ConfigureAwait(false);
        await Inbox.EmptyAsync().ConfigureAwait(false);
        return true;
    }

    /// <summary>An old connection that still stands is told why it ends (XEP-0198 section 5); one that is dead is cut.</summary>
    private async Task ReplaceAsync(IXmlChannel old, Task written)
    {
        try
        {
            await written.WaitAsync(CloseLimit, _node.Time).ConfigureAwait(false);
            new StreamClosing(StreamCondition.Conflict, "the session was resumed by another connection").WriteTo(old);
            await old.FlushAsync(CancellationToken.None).AsTask().WaitAsync(CloseLimit, _node.Time).ConfigureAwait(false);
            old.Close();
        }
        catch (Exception)
        {
            old.Abort();
        }
    }

    /// <summary>
    /// The new connection takes over: the answer is written, then what the client has not acked (XEP-0198 section 5).
    /// False when the session has ended meanwhile or was taken by yet another connection.
    /// </summary>
    /// <exception cref="Indaba.Xmpp.Streams.StreamException">The client acks more than was sent.</exception>
    public bool Resume(IXmlChannel channel, uint h, byte[] answer)
    {
        lock (_lock)
        {
            if (State != SessionState.Detached) return false;
            if (!Acks.Take(h)) throw Management.TooHigh(this, h);
            _expiry?.Dispose();
            _expiry = null;
            _outbox.Rewind();
            _outbox.EndHoldBack(); // XEP-0352 section 5.2: a resumed stream is active
            Inactive = false;
            Acks.Forget();
            State = SessionState.Connected;
            Address = channel.Remote?.ToString() ?? "";
            Transport = channel.Transport;
            Secure = channel.IsSecure;
            channel.Write(answer);
            _writer = new SessionWriter(this, _backlog, _lock, _outbox, channel);
        }
        Start();
        _backlog.Continue();
        return true;
    }

    /// <summary>Lets the session write: the answer to binding has been written.</summary>
    public void Start()
    {
        SessionWriter? writer;
        lock (_lock) writer = _writer;
        writer?.Start();
    }

    /// <summary>
    /// Ends the session for good: out of the table, out of its account, what it has not acked goes its way, its contacts
    /// learn that it is unavailable. Idempotent.
    /// </summary>
    public async Task EndAsync(bool notifyPeers, StreamClosing? closing = null)
    {
        OutItem[] remaining;
        IXmlChannel? channel;
        Task written = Task.CompletedTask;
        lock (_lock)
        {
            if (State == SessionState.Ended) return;
            State = SessionState.Ended;
            _expiry?.Dispose();
            channel = _writer?.Channel;
            if (_writer is not null) written = _writer.Stop();
            _writer = null;
            remaining = _outbox.Remaining();
        }
        _node.Sessions.Remove(this);
        // A device that is sent away comes back to another node, which tells it how far it had come (XEP-0198 section 5).
        if (Resumable && closing?.Condition is StreamCondition.Reset or StreamCondition.SystemShutdown) _node.Mailbox.Resumptions.Note(Id, Account.Id, Inbox.Handled);
        if (channel is not null) await CloseAsync(channel, written, closing).ConfigureAwait(false);
        await Account.DetachAsync(this, remaining, notifyPeers).ConfigureAwait(false);
    }

    private async Task CloseAsync(IXmlChannel channel, Task written, StreamClosing? closing)
    {
        try
        {
            if (closing is null) return;
            await written.WaitAsync(CloseLimit, _node.Time).ConfigureAwait(false);
            lock (_lock) _outbox.WriteTo(channel);
            closing.WriteTo(channel);
            await channel.FlushAsync(CancellationToken.None).AsTask().WaitAsync(CloseLimit, _node.Time).ConfigureAwait(false);
        }
        catch (Exception) { /* the connection is going anyway; what it did not get is in the log */ }
        finally { channel.Close(); }
    }

    /// <summary>The connection that carries the session, or null while it is detached.</summary>
    public IXmlChannel? Channel { get { lock (_lock) return _writer?.Channel; } }
}
