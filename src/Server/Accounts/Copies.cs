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
            return session.Carbons && MayCopy(entry) && entry.Sender != session.Jid.ToString() ? Copy.CarbonSent : Copy.None;
        if (!entry.Flags.HasFlag(EntryFlags.Pending)) return Copy.None;
        if (entry.Target is null) return session.TakesMessages ? Copy.Plain : Copy.None;
        if (entry.Target == session.Jid.Resource) return Copy.Plain;
        if (!session.Account.HasResource(entry.Target)) return session.TakesMessages ? Copy.Plain : Copy.None;
        return session.Carbons && MayCopy(entry) ? Copy.CarbonReceived : Copy.None;
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

    /// <summary>Wraps a stanza as a carbon (XEP-0280 sections 7 and 8), from the own bare JID as receivers must check.</summary>
    public static byte[] Carbon(Session session, string kind, ReadOnlySpan<byte> message)
    {
        var bare = System.Security.SecurityElement.Escape(session.Jid.Bare.ToString());
        var head = Encoding.UTF8.GetBytes($"<message from='{bare}' to='{System.Security.SecurityElement.Escape(session.Jid.ToString())}' type='chat'><{kind} xmlns='{Ns.Carbons}'><forwarded xmlns='{Ns.Forward}'><message xmlns='{Ns.Client}'");
        var tail = Encoding.UTF8.GetBytes($"</forwarded></{kind}></message>");
        var inner = message["<message".Length..];
        var result = new byte[head.Length + inner.Length + tail.Length];
        head.CopyTo(result, 0);
        inner.CopyTo(result.AsSpan(head.Length));
        tail.CopyTo(result, head.Length + inner.Length);
        return result;
    }
}
