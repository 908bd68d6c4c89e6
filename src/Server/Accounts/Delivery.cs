using System.Text;
using Indaba.Server.Mailbox;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>What became of a message handed to <see cref="Delivery"/>.</summary>
internal enum Submitted
{
    /// <summary>It is on its way to the disk; the end is told later.</summary>
    Pending,
    /// <summary>It is on disk already: a resend.</summary>
    Done,
    /// <summary>The account has closed meanwhile: look it up again and retry.</summary>
    Closed,
}

/// <summary>A message as the logs take it: written once, for both copies.</summary>
/// <param name="Message">The stanza, with its addresses.</param>
/// <param name="Body">As UTF-8 without its end, so that each log's own stanza-id can follow.</param>
/// <param name="From">The full JID of the sender.</param>
/// <param name="Device">The sending device's key.</param>
/// <param name="OriginId">The sender's id for it (XEP-0359), or null. What another node sends has always one, if need be of that node's making.</param>
internal sealed record Letter(Message Message, byte[] Body, Jid From, string Device, string? OriginId)
{
    private static readonly byte[] MessageEnd = "</message>"u8.ToArray();

    public static Letter Of(Message message, Jid from, string device, string? originId) => new(message, Encode(message), from, device, originId);

    /// <summary>The sender's id in the stanza itself.</summary>
    public static string? OriginIdOf(Message message) => message.Element.Child("origin-id", Ns.StanzaIds)?["id"];

    /// <summary>An id for a message whose sender gave none, so that a log knows a repeat between nodes. No client can send it: XML has no such character.</summary>
    public static string MakeOriginId() => '\u0001' + Ids.Short();

    private static byte[] Encode(Message message)
    {
        if (message.Element.Nodes.Count == 0) message.Element.AddText(" "); // keeps the closing tag, which the stanza-id goes before
        var bytes = XmppWriter.ToBytes(message.Element, Ns.Client);
        return bytes.AsSpan().EndsWith(MessageEnd) ? bytes[..^MessageEnd.Length] : throw new InvalidOperationException("a message that does not end");
    }
}

/// <summary>
/// Puts a message into the log of one account, once: gives the position, recognises a resend, stamps the stanza-id
/// (XEP-0359) and hands the entry to the group commit. Sender and recipient each have their own entry: they may be held by
/// different nodes, and each log knows a resend by itself, so nothing hangs on committing both at once.
/// </summary>
internal sealed class Delivery(Node node)
{
    /// <summary>The recipient's copy.</summary>
    public Submitted Receive(Account account, StorePlan plan, Letter letter, Action<AppendEnd> ended)
    {
        var peer = letter.From.Bare;
        UInt128? key = letter.OriginId is { } id ? SendWindow.Key(Direction.In, peer.ToString(), letter.Device, id) : null;
        return Put(account, Direction.In, plan, letter, key, peer, letter.Message.To is { IsFull: true } to ? to.Resource : null, ended);
    }

    /// <summary>The sender's copy.</summary>
    public Submitted Send(Account account, StorePlan plan, Letter letter, Action<AppendEnd> ended)
    {
        var peer = letter.Message.To!.Value.Bare;
        UInt128? key = letter.OriginId is { } id ? SendWindow.Key(Direction.Out, peer.ToString(), letter.Device, id) : null;
        return Put(account, Direction.Out, plan, letter, key, peer, letter.Message.To.Value.Resource, ended);
    }

    private Submitted Put(Account account, Direction direction, StorePlan plan, Letter letter, UInt128? key, Jid peer, string? target, Action<AppendEnd> ended)
    {
        lock (account.Lock)
        {
            if (account.Closed) return Submitted.Closed;
            if (key is { } known && account.Window.Find(known) is not 0 and var before)
            {
                if (account.InFlight(before) is not { } underWay) return Submitted.Done;
                underWay.Follow(ended);
                return Submitted.Pending;
            }
            var seq = account.NextSeq();
            var append = new MessageAppend
            {
                Account = account, Epoch = account.Epoch, Key = key, Ended = ended,
                Entry = new LogEntry
                {
                    Account = account.Id, Seq = seq, Direction = direction, Flags = plan.Flags(direction), Peer = peer.ToString(), Target = target,
                    Sender = letter.From.ToString(), Device = letter.Device, OriginId = letter.OriginId, MessageId = letter.Message.Id,
                    At = node.Time.GetUtcNow().ToUnixTimeMilliseconds(), Stanza = Stamp(letter.Body, account, seq),
                },
            };
            if (key is { } k) account.Window.Add(k, seq);
            account.BeginAppend(append, seq);
            node.Mailbox.Enqueue(append);
            return Submitted.Pending;
        }
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
