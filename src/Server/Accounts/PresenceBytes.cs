using System.Security;
using System.Text;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>
/// Presence as UTF-8, written once and addressed for each receiver by a copy: a broadcast costs no more than its bytes.
/// Receivers are named by their bare JID, as RFC 6121 section 4.2.2 shows it.
/// </summary>
internal static class PresenceBytes
{
    private static ReadOnlySpan<byte> Head => "<presence"u8;
    private static ReadOnlySpan<byte> To => " to='"u8;

    /// <summary>The stanza without an address.</summary>
    public static byte[] Unaddressed(Element presence)
    {
        if (presence["to"] is null) return XmppWriter.ToBytes(presence, Ns.Client);
        var copy = presence.Clone();
        copy["to"] = null;
        return XmppWriter.ToBytes(copy, Ns.Client);
    }

    /// <summary>The stanza with an address (escaped already).</summary>
    public static byte[] Address(byte[] presence, string escapedTo)
    {
        var length = Encoding.UTF8.GetByteCount(escapedTo);
        var result = new byte[presence.Length + To.Length + length + 1];
        var at = Head.Length;
        presence.AsSpan(0, at).CopyTo(result);
        To.CopyTo(result.AsSpan(at));
        at += To.Length;
        at += Encoding.UTF8.GetBytes(escapedTo, result.AsSpan(at));
        result[at++] = (byte)'\'';
        presence.AsSpan(Head.Length).CopyTo(result.AsSpan(at));
        return result;
    }

    /// <summary>Presence that says nothing but its type (null: available), without an address.</summary>
    public static byte[] Mere(Jid from, string? type, string? id = null) =>
        XmppWriter.ToBytes(new Element("presence", Ns.Client).With("from", from.ToString()).With("type", type).With("id", id), Ns.Client);

    /// <summary>Text as it stands in an attribute.</summary>
    public static string Escape(Jid jid) => SecurityElement.Escape(jid.ToString());
}
