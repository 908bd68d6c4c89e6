using System.Collections.Concurrent;

namespace Indaba.Server.Sessions;

/// <summary>The table of this node: which process (session) serves which device.</summary>
internal sealed class SessionTable
{
    private readonly ConcurrentDictionary<string, Session> _sessions = new();
    private readonly ConcurrentQueue<Session> _askLater = new();
    private readonly List<Session> _dirty = []; // touched on the completion loop only, but for the lock below
    private readonly Lock _dirtyLock = new();

    /// <summary>How many sessions there are, detached ones included.</summary>
    public int Count => _sessions.Count;

    /// <summary>Enters a session.</summary>
    public void Add(Session session) => _sessions[session.Id] = session;

    /// <summary>Takes a session out.</summary>
    public void Remove(Session session) => _sessions.TryRemove(session.Id, out _);

    /// <summary>The session with a resumption id, or null.</summary>
    public Session? Find(string id) => _sessions.GetValueOrDefault(id);

    /// <summary>All sessions of this node.</summary>
    public ICollection<Session> All => _sessions.Values;

    /// <summary>The rows that the operator sees, ordered by address.</summary>
    public IReadOnlyList<SessionInfo> Snapshot() => [.. _sessions.Values.Select(s => s.Info()).OrderBy(i => i.Jid, StringComparer.Ordinal)];

    /// <summary>A session has something to write at the end of the present batch of commits.</summary>
    public void Dirty(Session session) { lock (_dirtyLock) _dirty.Add(session); }

    /// <summary>Writes once for each session that a batch of commits has given something.</summary>
    public void FlushDirty()
    {
        Session[] dirty;
        lock (_dirtyLock)
        {
            if (_dirty.Count == 0) return;
            dirty = [.. _dirty];
            _dirty.Clear();
        }
        foreach (var session in dirty) session.FlushDirty();
    }

    /// <summary>A session owes an ack that was not asked for at once; the node's sweep asks.</summary>
    public void AskLater(Session session) => _askLater.Enqueue(session);

    /// <summary>Finds connections that are dead without a word.</summary>
    public void CheckAlive()
    {
        var now = Environment.TickCount64;
        foreach (var (_, session) in _sessions) session.Acks.CheckAlive(now);
    }

    /// <summary>Asks for the acks that were put off.</summary>
    public void Sweep()
    {
        for (var n = _askLater.Count; n > 0 && _askLater.TryDequeue(out var session); n--) session.Acks.AskNow();
    }
}
