using System.Text;
using Indaba.Server.Gateway;
using Indaba.Xmpp;

namespace Indaba.Server.Sessions;

/// <summary>
/// Learns what the device has, and moves its cursor on the log. With XEP-0198 by asking for acks; without, by a ping
/// (XEP-0199): a client handles its stream in order, so the answer (result or error) covers all that was written before
/// the ping. All members are called under the session's lock.
/// </summary>
internal sealed class DeliveryAcks(Node node, Session session, Lock @lock, Outbox outbox)
{
    private const int AskAfter = 16;
    private static readonly byte[] Request = Encoding.UTF8.GetBytes($"<r xmlns='{Ns.StreamManagement}'/>");
    private long _lastAsked;
    private bool _asked, _timer;
    private long _pingSeq, _probedAt;
    private int _pingCount;
    private string? _pingId;

    /// <summary>Writes a request for an ack when one is due and none is open. The device may take its time: one is open at most.</summary>
    public void AskIfDue(IXmlChannel channel)
    {
        if (_asked || !Owes()) return;
        var now = node.Time.GetTimestamp();
        var wait = node.Options.StreamManagement.AckRequestMilliseconds;
        // A ping is a stanza that costs the client an answer: it always waits for what else there is to ask about.
        if (!outbox.KeepsUnacked || (outbox.Unacked < AskAfter && node.Time.GetElapsedTime(_lastAsked, now).TotalMilliseconds < wait))
        {
            if (_timer) return;
            _timer = true;
            node.Sessions.AskLater(session);
            return;
        }
        _asked = true;
        _lastAsked = now;
        channel.Write(outbox.KeepsUnacked ? Request : PingBytes());
    }

    /// <summary>The time has come to ask for what was written since the last request. Call without the lock.</summary>
    public void AskNow()
    {
        byte[] request;
        lock (@lock)
        {
            _timer = false;
            if (_asked || session.State != SessionState.Connected || !Owes()) return;
            _asked = true;
            _lastAsked = node.Time.GetTimestamp();
            request = outbox.KeepsUnacked ? Request : PingBytes();
        }
        session.SendUncounted(request);
    }

    /// <summary>
    /// Finds a connection that is dead without a word (half-open TCP): after a long silence the client is asked, and cut
    /// when it does not answer in time. Its session waits for resumption then. Call without the lock.
    /// </summary>
    public void CheckAlive(long now)
    {
        var options = node.Options.StreamManagement;
        byte[] request;
        lock (@lock)
        {
            if (session.State != SessionState.Connected || session.Channel is not { } channel) return;
            if (now - channel.LastRead < options.IdleSeconds * 1000L)
            {
                _probedAt = 0;
                return;
            }
            if (_probedAt != 0)
            {
                if (now - _probedAt >= options.AckSeconds * 1000L) channel.Abort();
                return;
            }
            _probedAt = now;
            request = outbox.KeepsUnacked ? Request : PingBytes();
        }
        session.SendUncounted(request);
    }

    private bool Owes() => outbox.KeepsUnacked ? outbox.Unacked > 0 : outbox.WrittenSeq > _pingSeq;

    /// <summary>A connection has taken over: what was asked on the old one is void.</summary>
    public void Forget() => _asked = false;

    /// <summary>Takes the client's <c>h</c>; false when it acks more than was sent. Under the lock.</summary>
    public bool Take(uint h)
    {
        var seq = outbox.Ack(h);
        if (seq < 0) return false;
        _asked = false;
        if (seq > 0) session.Account.MoveCursor(session.Device, seq);
        if (Owes() && !_timer)
        {
            _timer = true; // it acked what it had then; ask for the rest
            node.Sessions.AskLater(session);
        }
        return true;
    }

    /// <summary>The client sent <c>a</c>; false when it acks more than was sent. Call without the lock.</summary>
    public bool OnAck(uint h)
    {
        lock (@lock)
        {
            if (!Take(h)) return false;
        }
        session.Continue();
        return true;
    }

    /// <summary>True when an iq result or error answers the ping of <see cref="AskIfDue"/>. Call without the lock.</summary>
    public bool OnAnswer(string? id)
    {
        lock (@lock)
        {
            if (_pingId is null || id != _pingId) return false;
            _pingId = null;
            _asked = false;
            if (_pingSeq > 0) session.Account.MoveCursor(session.Device, _pingSeq);
        }
        return true;
    }

    private byte[] PingBytes()
    {
        _pingSeq = outbox.WrittenSeq;
        _pingId = string.Create(null, stackalloc char[24], $"ack-{++_pingCount}");
        return Encoding.UTF8.GetBytes($"<iq type='get' id='{_pingId}' from='{node.Options.Domain}' to='{Escape(session.Jid.ToString())}'><ping xmlns='{Ns.Ping}'/></iq>");
    }

    private static string Escape(string text) => System.Security.SecurityElement.Escape(text);
}
