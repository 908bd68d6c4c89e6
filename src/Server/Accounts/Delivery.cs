using System.Text;
using Indaba.Server.Mailbox;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>What became of a message handed to <see cref="Delivery"/>.</summary>
internal enum Submitted
{
    /// <summary>It is on its way to the disk.</summary>
    Pending,
    /// <summary>It is on disk already: a resend.</summary>
    Done,
    /// <summary>An account has closed meanwhile: look it up again and retry.</summary>
    Closed,
}

/// <summary>
/// Puts a message into the logs of its sender and its recipient, once: gives the positions, recognises a resend, stamps
/// the stanza-ids (XEP-0359) and hands both copies to the group commit as one.
/// </summary>
internal sealed class Delivery(Node node)
{
    private static readonly byte[] MessageEnd = "</message>"u8.ToArray();

    /// <summary>
    /// Commits a message. The end is told by <paramref name="item"/>, and a failure by <paramref name="fail"/> before that.
    /// </summary>
    /// <param name="sender">The sender's account if its copy is to be kept, else null.</param>
    /// <param name="recipient">The recipient's account.</param>
    public Submitted Submit(Session session, InboxItem item, Message message, Account? sender, StorePlan? senderPlan, Account recipient, StorePlan plan, Action<StanzaCondition> fail)
    {
        if (sender == recipient) sender = null; // a message to oneself is one entry
        var body = Encode(message);
        var (first, second) = sender is null || recipient.Id < sender.Id ? (recipient, sender) : (sender, recipient);
        lock (first.Lock)
        {
            if (second is null) return Commit(session, item, message, body, sender, senderPlan, recipient, plan, fail);
            lock (second.Lock) return Commit(session, item, message, body, sender, senderPlan, recipient, plan, fail);
        }
    }

    private Submitted Commit(Session session, InboxItem item, Message message, byte[] body, Account? sender, StorePlan? senderPlan, Account recipient, StorePlan plan, Action<StanzaCondition> fail)
    {
        if (recipient.Closed || sender is { Closed: true }) return Submitted.Closed;
        var from = session.Jid;
        var originId = message.Element.Child("origin-id", Ns.StanzaIds)?["id"];
        UInt128? inKey = null, outKey = null;
        if (originId is not null)
        {
            inKey = SendWindow.Key(Direction.In, from.Bare.ToString(), session.Device.Key, originId);
            outKey = sender is null ? null : SendWindow.Key(Direction.Out, recipient.Jid.ToString(), session.Device.Key, originId);
            if (Repeated(recipient, inKey.Value, session, item, fail) is { } before) return before;
            if (outKey is { } key && Repeated(sender!, key, session, item, fail) is { } sent) return sent;
        }
        var at = node.Time.GetUtcNow().ToUnixTimeMilliseconds();
        var inEntry = Entry(recipient, Direction.In, plan, message, body, from, from.Bare, message.To is { IsFull: true } to ? to.Resource : null, session.Device.Key, originId, at);
        var outEntry = sender is null ? null : Entry(sender, Direction.Out, senderPlan!, message, body, from, recipient.Jid, message.To?.Resource, session.Device.Key, originId, at);
        var append = new MessageAppend
        {
            First = inEntry, FirstAccount = recipient, FirstKey = inKey,
            Second = outEntry, SecondAccount = sender, SecondKey = outKey,
            Origin = session, Item = item, Fail = fail,
        };
        if (inKey is { } k) recipient.Window.Add(k, inEntry.Seq);
        if (outKey is { } o) sender!.Window.Add(o, outEntry!.Seq);
        recipient.BeginAppend(append, inEntry.Seq);
        sender?.BeginAppend(append, outEntry!.Seq);
        append.Enqueue(node.Mailbox);
        return Submitted.Pending;
    }

    /// <summary>Tells whether the log has this send already, or is about to (the resend ends when the first one does); null when it is new.</summary>
    private static Submitted? Repeated(Account account, UInt128 key, Session session, InboxItem item, Action<StanzaCondition> fail)
    {
        var seq = account.Window.Find(key);
        if (seq == 0) return null;
        if (account.InFlight(seq) is not { } append) return Submitted.Done;
        append.Follow(session, item, fail);
        return Submitted.Pending;
    }

    private static LogEntry Entry(Account account, Direction direction, StorePlan plan, Message message, byte[] body, Jid from, Jid peer, string? target, string device, string? originId, long at)
    {
        var seq = account.NextSeq();
        return new LogEntry
        {
            Account = account.Id, Seq = seq, Direction = direction, Flags = plan.Flags(direction), Peer = peer.ToString(), Target = target,
            Sender = from.ToString(), Device = device, OriginId = originId, MessageId = message.Id, At = at,
            Stanza = Stamp(body, account, seq),
        };
    }

    /// <summary>The message as UTF-8 without its end, so that each log's own stanza-id can follow.</summary>
    private static byte[] Encode(Message message)
    {
        if (message.Element.Nodes.Count == 0) message.Element.AddText(" "); // keeps the closing tag, which the stanza-id goes before
        var bytes = XmppWriter.ToBytes(message.Element, Ns.Client);
        return bytes.AsSpan().EndsWith(MessageEnd) ? bytes[..^MessageEnd.Length] : throw new InvalidOperationException("a message that does not end");
    }

    private static byte[] Stamp(byte[] body, Account account, long seq)
    {
        var stamp = Encoding.UTF8.GetBytes($"<stanza-id xmlns='{Ns.StanzaIds}' by='{account.EscapedJid}' id='{StanzaIds.Format(account.Row.Tag, seq)}'/></message>");
        var result = new byte[body.Length + stamp.Length];
        body.CopyTo(result, 0);
        stamp.CopyTo(result, body.Length);
        return result;
    }
}
