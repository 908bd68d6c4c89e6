using System.Globalization;
using System.Text;
using Indaba.Server.Mailbox;
using Indaba.Server.Sessions;
using Indaba.Xmpp;

namespace Indaba.Server.Accounts;

/// <summary>In which form a session gets an entry of its account's log.</summary>
internal enum Copy
{
    /// <summary>Not at all.</summary>
    None,
    /// <summary>As it is.</summary>
    Plain,
    /// <summary>As it is, with the time at which the server took it (XEP-0203), since it waited.</summary>
    Delayed,
    /// <summary>As a carbon of what another device received (XEP-0280 section 7).</summary>
    CarbonReceived,
    /// <summary>As a carbon of what another device sent (XEP-0280 section 8).</summary>
    CarbonSent,
}

/// <summary>
/// Which sessions get an entry, and how: RFC 6121 section 8.5.2 and 8.5.3 for what came in, XEP-0280 for copies. The same
/// rules hold for a push and for reading the log later, so it makes no difference how fast a device is.
/// </summary>
internal static class Copies
{
    private static readonly byte[] MessageEnd = "</message>"u8.ToArray();

    /// <summary>What a session gets of an entry committed while it was there.</summary>
    public static Copy Decide(Session session, LogEntry entry)
    {
        if (entry.Direction == Direction.Out)
            return session.Carbons && MayCopy(entry) && entry.Sender != session.JidText ? Copy.CarbonSent : Copy.None;
        if (!entry.Flags.HasFlag(EntryFlags.Pending)) return Copy.None;
        // RFC 6121 section 8.5: to the resource; to all that take messages when none was named or it is not there.
        var named = entry.Target is not null && (entry.Target == session.Jid.Resource || session.Account.HasResource(entry.Target));
        if (named ? entry.Target == session.Jid.Resource : session.TakesMessages) return Copy.Plain;
        // Without presence a device has its copy still to come: what is sent to the account waits for it as a message.
        if (!named && session.Presence is null) return Copy.None;
        // XEP-0280 section 7: each other one that asked for copies; but a device has what it sent itself.
        return session.Carbons && MayCopy(entry) && entry.Sender != session.JidText ? Copy.CarbonReceived : Copy.None;
    }

    private static bool MayCopy(LogEntry entry) => !entry.Flags.HasFlag(EntryFlags.Private);

    /// <summary>The bytes that the session is sent.</summary>
    public static byte[] Render(Session session, LogEntry entry, Copy how) => how switch
    {
        Copy.Delayed => WithDelay(entry.Stanza, session.Jid.Domain, DateTimeOffset.FromUnixTimeMilliseconds(entry.At)),
        Copy.CarbonReceived => Carbon(session, "received", entry.Stanza),
        Copy.CarbonSent => Carbon(session, "sent", entry.Stanza),
        _ => entry.Stanza,
    };

    /// <summary>Adds the time at which the server took a stanza (XEP-0203). The stanza ends with a closing tag.</summary>
    public static byte[] WithDelay(byte[] message, string by, DateTimeOffset at)
    {
        var delay = Encoding.UTF8.GetBytes($"<delay xmlns='{Ns.Delay}' from='{by}' stamp='{Stamp(at)}'/></message>");
        var result = new byte[message.Length - MessageEnd.Length + delay.Length];
        message.AsSpan(0, message.Length - MessageEnd.Length).CopyTo(result);
        delay.CopyTo(result, message.Length - MessageEnd.Length);
        return result;
    }

    /// <summary>A time as XEP-0082 writes it.</summary>
    public static string Stamp(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>
    /// Wraps a stanza as a carbon (XEP-0280 sections 7 and 8), from the own bare JID as receivers must check, of the same
    /// type. The stanza's bytes are spliced in; they lack only the declaration of their default namespace.
    /// </summary>
    public static byte[] Carbon(Session session, string kind, ReadOnlySpan<byte> message)
    {
        var type = TypeOf(message);
        var head = Encoding.UTF8.GetBytes($"<message from='{session.Account.EscapedJid}' to='{System.Security.SecurityElement.Escape(session.JidText)}'{(type.Length == 0 ? "" : " type='")}");
        var middle = Encoding.UTF8.GetBytes($"{(type.Length == 0 ? "" : "'")}><{kind} xmlns='{Ns.Carbons}'><forwarded xmlns='{Ns.Forward}'><message xmlns='{Ns.Client}'");
        var inner = message["<message".Length..];
        var tail = Encoding.UTF8.GetBytes($"</forwarded></{kind}></message>");
        var result = new byte[head.Length + type.Length + middle.Length + inner.Length + tail.Length];
        var rest = result.AsSpan();
        Put(ref rest, head);
        Put(ref rest, type);
        Put(ref rest, middle);
        Put(ref rest, inner);
        Put(ref rest, tail);
        return result;
    }

    private static void Put(ref Span<byte> rest, ReadOnlySpan<byte> part)
    {
        part.CopyTo(rest);
        rest = rest[part.Length..];
    }

    /// <summary>The value of the type attribute in the start tag of a stanza that <see cref="Xmpp.Xml.XmppWriter"/> wrote; empty when it has none.</summary>
    internal static ReadOnlySpan<byte> TypeOf(ReadOnlySpan<byte> stanza)
    {
        // The writer quotes with ' and escapes it within values, so quotes part names from values.
        var at = 0;
        while (true)
        {
            var quote = stanza[at..].IndexOfAny((byte)'\'', (byte)'>');
            if (quote < 0 || stanza[at + quote] == '>') return default;
            var name = stanza.Slice(at, quote);
            at += quote + 1;
            var end = stanza[at..].IndexOf((byte)'\'');
            if (end < 0) return default;
            if (name.EndsWith(" type="u8)) return stanza.Slice(at, end);
            at += end + 1;
        }
    }
}
