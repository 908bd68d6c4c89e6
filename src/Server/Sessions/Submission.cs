using Indaba.Xmpp;
using Indaba.Server.Routing;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Sessions;

/// <summary>A stanza in its session's order.</summary>
internal sealed class Submission(Node node, Session session, Stanza stanza, bool waits, bool stored) : InboxItem
{
    private readonly long _since = stored ? node.Time.GetTimestamp() : 0;

    /// <inheritdoc/>
    public override bool WaitsForHead => waits;

    /// <summary>
    /// Takes a stanza from the client. Messages go on at once, many at a time; anything else waits until what came before
    /// it is done (RFC 6120 section 10.1, in-order processing).
    /// </summary>
    /// <exception cref="StreamException">The element is no stanza, or claims another sender (RFC 6120 section 8.1.2.1).</exception>
    public static async ValueTask TakeAsync(Node node, Session session, Element element)
    {
        await session.Inbox.RoomAsync().ConfigureAwait(false);
        await session.DrainedAsync().ConfigureAwait(false);
        var stanza = Parse(session, element);
        var stored = false;
        if (stanza is Message message)
        {
            node.Metrics.Submitted();
            stored = Accounts.StorePlan.Of(message).Store;
        }
        if (stanza is Message && session.Inbox.MayBegin && (session.Inbox.IsEmpty || stored))
        {
            var item = new Submission(node, session, stanza, waits: false, stored);
            session.Inbox.Add(item);
            await item.RunAsync().ConfigureAwait(false);
        }
        else if (stanza is null)
        {
            session.Inbox.Add(new Answered());
        }
        else
        {
            var item = new Submission(node, session, stanza, waits: true, stored);
            session.Inbox.Add(item); // runs at once when nothing is before it
            await item._ran.ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override void Handled()
    {
        if (stored) node.Metrics.Acked(node.Time.GetElapsedTime(_since));
    }

    private Task _ran = Task.CompletedTask;

    /// <inheritdoc/>
    public override void AtHead(Inbox inbox, bool onCaller) => _ran = onCaller ? RunAsync() : Task.Run(RunAsync);

    /// <summary>Routes the stanza. The item is completed here, or by the commit for a message that is stored.</summary>
    private async Task RunAsync()
    {
        var pending = false;
        try
        {
            if (stanza is Message message) pending = await node.Router.RouteMessageAsync(session, this, message).ConfigureAwait(false);
            else if (stanza is Iq iq) await node.Router.RouteIqAsync(session, iq).ConfigureAwait(false);
            else await node.Presence.HandleAsync(session, (Presence)stanza).ConfigureAwait(false);
        }
        catch (StanzaException e)
        {
            Router.Reply(session, stanza.Element, e.Error);
        }
        catch (Exception e)
        {
            node.Log.StanzaFailed(session.Jid, e);
            Router.Reply(session, stanza.Element, StanzaError.Of(StanzaCondition.InternalServerError));
        }
        if (!pending) session.Inbox.Complete(this);
    }

    /// <summary>Parses and stamps; answers what is malformed and returns null then.</summary>
    private static Stanza? Parse(Session session, Element element)
    {
        try
        {
            var stanza = Stanza.Of(element) ?? throw new StreamException(StreamCondition.UnsupportedStanzaType);
            if (stanza.From is { } from && from != session.Jid && from != session.Jid.Bare) throw new StreamException(StreamCondition.InvalidFrom);
            stanza.From = session.Jid;
            return stanza;
        }
        catch (StanzaException e)
        {
            element["from"] = session.Jid.ToString();
            Router.Reply(session, element, e.Error);
            return null;
        }
    }

    /// <summary>A stanza that was answered at once and still counts in its turn.</summary>
    private sealed class Answered : InboxItem
    {
        public Answered() => Done = true;
    }
}
