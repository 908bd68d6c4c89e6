using System.Security.Cryptography;
using System.Text;
using Indaba.Server.Accounts;
using Indaba.Server.Modules;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Streams;

/// <summary>Gives a stream its session: binds a resource (RFC 6120 section 7, XEP-0386) or resumes one (XEP-0198 section 5).</summary>
internal sealed class Binding(Node node, ClientStream stream)
{
    private const int MaxTag = 64;

    /// <summary>Takes an element between authentication and binding.</summary>
    /// <exception cref="StreamException">Anything but binding or resumption (RFC 6120 section 7.1).</exception>
    public async ValueTask TakeAsync(Element element)
    {
        var binds = element.Is("iq", Ns.Client) && element.Child("bind", Ns.Bind) is not null;
        if ((binds || element.Is("resume", Ns.StreamManagement)) && await HandOverAsync(new Element(HandOver, "").Add(element)).ConfigureAwait(false)) return;
        if (element.Is("resume", Ns.StreamManagement))
        {
            var failed = await ResumeAsync(element, null).ConfigureAwait(false);
            if (failed is not null) await stream.WriteAsync(failed).ConfigureAwait(false);
        }
        else if (element.Namespace == Ns.StreamManagement)
        {
            await stream.WriteAsync(Management.Failed("unexpected-request", null)).ConfigureAwait(false);
        }
        else if (element.Is("iq", Ns.Client) && element.Child("bind", Ns.Bind) is { } bind)
        {
            await BindAsync(element, bind).ConfigureAwait(false);
        }
        else
        {
            throw new StreamException(StreamCondition.NotAuthorized, "bind a resource first");
        }
    }

    /// <summary>What is handed over: the element that asks for a session, or the beginning of a SASL2 success with what it was asked with.</summary>
    public const string HandOver = "hand-over";

    /// <summary>
    /// When another node holds the account, hands the stream over to it: its session lives there, and this node becomes
    /// its gateway. False when the stream goes on here.
    /// </summary>
    public async ValueTask<bool> HandOverAsync(Element handOver)
    {
        if (stream.IsRelayed) return false; // this is the other end
        for (var attempt = 0; attempt < 5; attempt++)
        {
            var place = await node.Accounts.ForLoginAsync(stream.Login!.Bare).ConfigureAwait(false);
            if (place.Owner is not { } owner) return false;
            if (await node.Links.Relays.OpenAsync(owner, stream, handOver).ConfigureAwait(false) is not { } relay) continue;
            stream.Relay = relay;
            stream.Phase = Phase.Relayed;
            return true;
        }
        throw new StreamException(StreamCondition.Reset, "the account is moving; come back");
    }

    /// <summary>RFC 6120 section 7: by the server's choice or the client's.</summary>
    private async ValueTask BindAsync(Element request, Element bind)
    {
        try
        {
            if (new Iq(request).Type != IqType.Set) throw new StanzaException(StanzaCondition.BadRequest);
            var wanted = bind.ChildText("resource", Ns.Bind);
            if (string.IsNullOrEmpty(wanted)) wanted = null;
            if (!stream.Login!.Bare.TryWithResource(wanted ?? Ids.Short(), out var jid)) throw new StanzaException(StanzaCondition.BadRequest);
            var device = stream.Login.Agent?.Id is { } id ? DeviceKey.OfUserAgent(id, jid.Resource!) : wanted is null ? DeviceKey.Unnamed(jid.Resource!) : DeviceKey.OfResource(jid.Resource!);
            var session = await OpenAsync(jid, device).ConfigureAwait(false);
            var result = new Element("iq", Ns.Client).With("type", "result").With("id", request["id"])
                .Add(new Element("bind", Ns.Bind).Add("jid", Ns.Bind, jid.ToString()));
            stream.Channel.Write(XmppWriter.ToBytes(result, Ns.Client));
            await EnterAsync(session).ConfigureAwait(false);
        }
        catch (StanzaException e)
        {
            await stream.WriteAsync(e.Error.ReplyTo(request)).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// XEP-0386: binds as part of authentication. Returns the session, not yet started, and adds what was switched on to
    /// <paramref name="success"/>.
    /// </summary>
    public async ValueTask<Session> BindInlineAsync(Element bind, Element success)
    {
        var login = stream.Login!;
        var tag = bind.ChildText("tag", Ns.Bind2)?.Trim();
        if (tag is { Length: > MaxTag }) tag = tag[..MaxTag];
        var name = login.Agent?.Id is { } id ? Stable(login, id) : Ids.Short();
        if (string.IsNullOrEmpty(tag) || !login.Bare.TryWithResource($"{tag}/{name}", out var jid)) login.Bare.TryWithResource(name, out jid);
        var device = login.Agent?.Id is { } agent ? DeviceKey.OfUserAgent(agent, jid.Resource!) : DeviceKey.Unnamed(jid.Resource!);
        var session = await OpenAsync(jid, device).ConfigureAwait(false);
        session.ArchiveCovers();
        var bound = new Element("bound", Ns.Bind2);
        foreach (var extra in node.Modules.BoundExtras) bound.Add(await extra(node, session).ConfigureAwait(false));
        if (bind.Child("enable", Ns.StreamManagement) is { } enable)
        {
            session.ManagementAsked = true;
            session.EnableManagement(enable["resume"] is "true" or "1");
            bound.Add(Management.Enabled(node, session));
        }
        foreach (var inline in node.Modules.BindInline)
        {
            foreach (var request in bind.Elements.Where(e => e.Namespace == inline.Feature).ToArray())
                bound.Add(await inline.Apply(session, request).ConfigureAwait(false));
        }
        success.Add("authorization-identifier", Ns.Sasl2, jid.ToString());
        success.Add(bound);
        return session;
    }

    /// <summary>Hands the stream over to a session whose answer was written.</summary>
    public async ValueTask EnterAsync(Session session)
    {
        stream.Session = session;
        stream.Phase = Phase.Bound;
        foreach (var hook in node.Modules.Hooks(Stage.Bound))
            await hook(new StageContext(node, null, session, session.Account)).ConfigureAwait(false);
        node.Log.Bound(session.Jid, session.Address, session.Transport, session.Id[..12]);
        session.Start();
    }

    /// <summary>
    /// Resumes the session that <paramref name="resume"/> names; null when the stream goes on with it, else the failure.
    /// </summary>
    /// <param name="success">With SASL2: the success that the answer is put into (XEP-0198, SASL2 section).</param>
    public async ValueTask<Element?> ResumeAsync(Element resume, Element? success)
    {
        if (!Management.TryH(resume, out var h) || resume["previd"] is not { } id) return Management.Failed("bad-request", null);
        var session = node.Sessions.Find(id);
        if (session is null) return Management.Failed("item-not-found", await HandledAsync(id).ConfigureAwait(false));
        if (session.Account.Id != stream.Login!.Account.Id || !session.Resumable) return Management.Failed("item-not-found", null);
        if (!await session.PrepareResumeAsync().ConfigureAwait(false)) return Management.Failed("item-not-found", null);
        var handled = session.Inbox.Handled;
        var resumed = new Element("resumed", Ns.StreamManagement).With("h", handled.ToString(System.Globalization.CultureInfo.InvariantCulture)).With("previd", id);
        var answer = resumed;
        if (success is not null)
        {
            success.Add("authorization-identifier", Ns.Sasl2, session.Jid.ToString());
            answer = success.Add(resumed);
        }
        if (session.Resume(stream.Channel, h, XmppWriter.ToBytes(answer, Ns.Client)))
        {
            stream.Session = session;
            stream.Phase = Phase.Bound;
            node.Log.Resumed(session.Jid, session.Address, session.Transport, session.Id[..12]);
            return null;
        }
        return Management.Failed("item-not-found", handled);
    }

    /// <summary>How far a session had come that went with its node, if it was this account's.</summary>
    private async Task<uint?> HandledAsync(string id) =>
        await node.Mailbox.Resumptions.FindAsync(id).ConfigureAwait(false) is { } known && known.Account == stream.Login!.Account.Id ? known.Handled : null;

    /// <summary>Makes the session and enters it in the tables. An older one with the same resource or of the same installation ends (RFC 6120 section 7.7.2.2).</summary>
    private async ValueTask<Session> OpenAsync(Jid jid, DeviceKey device)
    {
        for (var attempt = 0; attempt < 5; attempt++)
        {
            var place = await node.Accounts.ForLoginAsync(jid.Bare).ConfigureAwait(false);
            if (place.Owner is not null) throw new StreamException(StreamCondition.Reset, "the account has moved; come back");
            if (place.Account is not { } account || account.Id != stream.Login!.Account.Id || node.Stopping) throw new StreamException(StreamCondition.NotAuthorized);
            foreach (var old in account.Sessions.Where(s => s.Jid == jid || (device.Key.StartsWith("ua:", StringComparison.Ordinal) && s.Device.Key == device.Key)))
                await old.EndAsync(notifyPeers: true, new StreamClosing(StreamCondition.Conflict)).ConfigureAwait(false);
            if (account.Introduce(device)) await node.Mailbox.Cursors.FlushAsync().ConfigureAwait(false);
            var session = new Session(node, account, jid, device, stream.Channel);
            if (account.Attach(session, out var tooMany))
            {
                node.Sessions.Add(session);
                await node.Accounts.HoldAsync(account).ConfigureAwait(false);
                return session;
            }
            if (tooMany) throw new StreamException(StreamCondition.ResourceConstraint, "too many sessions of this account");
        }
        throw new StreamException(StreamCondition.InternalServerError);
    }

    /// <summary>The same for the same installation and account, without showing the installation's id (XEP-0386 section 4.2).</summary>
    private static string Stable(Login login, string agentId)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{login.Account.Tag}\0{agentId}"));
        return Convert.ToHexStringLower(hash.AsSpan(0, 6));
    }
}
