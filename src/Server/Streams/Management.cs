using System.Globalization;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Streams;

/// <summary>XEP-0198 Stream Management on the wire; what it stands on is in <see cref="Outbox"/>, <see cref="Inbox"/> and the log.</summary>
internal static class Management
{
    /// <summary>Takes an element of XEP-0198 from a bound client.</summary>
    /// <exception cref="StreamException">More was acked than was sent (section 4), or the element breaks the XEP.</exception>
    public static ValueTask TakeAsync(Node node, Session session, Element element)
    {
        switch (element.Name)
        {
            case "r":
                session.Inbox.Add(new AckRequest(session));
                break;
            case "a":
                if (!TryH(element, out var h)) throw new StreamException(StreamCondition.PolicyViolation, "h is missing or no number");
                if (!session.Acks.OnAck(h)) throw TooHigh(session, h);
                break;
            case "enable":
                Enable(node, session, element);
                break;
            case "resume": // a resource is bound already (section 5)
                session.SendUncounted(XmppWriter.ToBytes(Failed("unexpected-request", null), Ns.Client));
                break;
            default:
                throw new StreamException(StreamCondition.UnsupportedStanzaType);
        }
        return ValueTask.CompletedTask;
    }

    /// <summary>Switches XEP-0198 on for a bound session (section 3).</summary>
    private static void Enable(Node node, Session session, Element enable)
    {
        if (session.ManagementAsked)
        {
            session.SendUncounted(XmppWriter.ToBytes(Failed("unexpected-request", null), Ns.Client));
            return;
        }
        session.ManagementAsked = true;
        session.AllowResumption(enable["resume"] is "true" or "1");
        session.EnableManagement(XmppWriter.ToBytes(Enabled(node, session), Ns.Client));
    }

    /// <summary>The answer to <c>enable</c>.</summary>
    public static Element Enabled(Node node, Session session)
    {
        var enabled = new Element("enabled", Ns.StreamManagement);
        if (session.Resumable)
            enabled.With("id", session.Id).With("resume", "true").With("location", node.Options.StreamManagement.Location).With("max", node.Options.StreamManagement.ResumeSeconds.ToString(CultureInfo.InvariantCulture));
        return enabled;
    }

    /// <summary>The failure element (section 3 and 5); <paramref name="h"/> says what was handled of an old session, if that is known.</summary>
    public static Element Failed(string condition, uint? h) =>
        new Element("failed", Ns.StreamManagement).With("h", h?.ToString(CultureInfo.InvariantCulture)).Add(condition, Ns.StanzaErrors);

    /// <summary>Reads <c>h</c>: an unsigned 32-bit number.</summary>
    public static bool TryH(Element element, out uint h) => uint.TryParse(element["h"], NumberStyles.None, CultureInfo.InvariantCulture, out h);

    /// <summary>The stream error of section 4 for an <c>h</c> that is too high.</summary>
    public static StreamException TooHigh(Session session, uint h) => new(StreamCondition.UndefinedCondition, "you acked more than was sent",
        new Element("handled-count-too-high", Ns.StreamManagement).With("h", h.ToString(CultureInfo.InvariantCulture)).With("send-count", session.SentCount.ToString(CultureInfo.InvariantCulture)));

    /// <summary>An <c>r</c> is answered in its turn: after the commits of what came before it.</summary>
    private sealed class AckRequest(Session session) : InboxItem
    {
        public override bool Counted => false;
        public override bool WaitsForHead => true;

        public override void AtHead(Inbox inbox, bool onCaller)
        {
            session.SendAck(inbox.Handled);
            inbox.Complete(this);
        }
    }
}
