using System.Globalization;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Xmpp;
using Indaba.Xmpp.Sasl;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Streams;

/// <summary>
/// SASL on the wire: the profile of RFC 6120 section 6 and that of XEP-0388 (SASL2), with what may be done in the same
/// round trip (XEP-0386 binding, XEP-0198 resumption, XEP-0484 tokens).
/// </summary>
internal sealed class SaslNegotiation(Node node, ClientStream stream)
{
    private static readonly TimeSpan TokenLife = TimeSpan.FromDays(60); // a device unseen for two months asks for its password again
    private static readonly TimeSpan TokenRenewal = TimeSpan.FromDays(30);
    private static readonly TimeSpan SeenGrain = TimeSpan.FromHours(1);
    private SaslExchange? _exchange;
    private Element? _request; // the authenticate element of SASL2, else null
    private UserAgent? _agent;
    private int _failures;

    private ChannelBindings Bindings => stream.Channel.Bindings;

    /// <summary>What is offered on this connection now.</summary>
    public SaslOffer Offer() => SaslOffer.For(stream.Channel, Bindings);

    /// <summary>Takes an element of either profile.</summary>
    public async ValueTask TakeAsync(Element element)
    {
        try
        {
            switch (element.Name, element.Namespace)
            {
                case ("auth", Ns.Sasl):
                    await StartAsync(element, null, Decode(element.Text)).ConfigureAwait(false);
                    break;
                case ("authenticate", Ns.Sasl2):
                    await StartAsync(element, element, Decode(element.ChildText("initial-response", Ns.Sasl2))).ConfigureAwait(false);
                    break;
                case ("response", Ns.Sasl) when _exchange is not null && _request is null:
                case ("response", Ns.Sasl2) when _exchange is not null && _request is not null:
                    await StepAsync(Decode(element.Text) ?? []).ConfigureAwait(false);
                    break;
                case ("abort", _) when _exchange is not null:
                    throw new SaslException(SaslCondition.Aborted);
                default:
                    throw new SaslException(SaslCondition.MalformedRequest);
            }
        }
        catch (SaslException e)
        {
            await RefuseAsync(e, element.Namespace).ConfigureAwait(false);
        }
    }

    private async ValueTask StartAsync(Element element, Element? sasl2, byte[]? initial)
    {
        if (_exchange is not null) throw new SaslException(SaslCondition.MalformedRequest);
        _request = sasl2;
        var offer = Offer();
        var mechanism = element["mechanism"] ?? "";
        if (offer.Mechanisms.Count == 0) throw new SaslException(SaslCondition.EncryptionRequired);
        if (!offer.Mechanisms.Contains(mechanism) && !(sasl2?.Child("fast", Ns.Fast) is not null && offer.FastMechanisms.Contains(mechanism)))
            throw new SaslException(SaslCondition.InvalidMechanism);
        _agent = sasl2 is null ? null : Agent(sasl2.Child("user-agent", Ns.Sasl2));
        _exchange = new SaslExchange(node, mechanism, offer, Bindings, _agent, sasl2 is not null);
        if (initial is null) await ChallengeAsync([]).ConfigureAwait(false);
        else await StepAsync(initial).ConfigureAwait(false);
    }

    private async ValueTask StepAsync(byte[] message)
    {
        var step = await _exchange!.TakeAsync(message).ConfigureAwait(false);
        if (step.Challenge is not null)
        {
            await ChallengeAsync(step.Challenge).ConfigureAwait(false);
            return;
        }
        var bare = Jid.TryCreate(step.Account!.Local, step.Account.Domain, null, out var jid) ? jid : throw new SaslException(SaslCondition.TemporaryAuthFailure);
        if (stream.ClaimedFrom is { } claimed && claimed.Bare != bare) throw new SaslException(SaslCondition.InvalidAuthzid); // XEP-0388 section 2.3.1
        node.Metrics.Login(_exchange.Mechanism, succeeded: true);
        _exchange = null;
        stream.Login = new Login(step.Account, bare, _agent);
        stream.Phase = Phase.Authenticated;
        stream.Channel.SetLimits(new XmppReaderLimits(node.Options.Limits.MaxStanzaBytes, node.Options.Limits.MaxDepth));
        if (_request is null) await SucceedAsync(step).ConfigureAwait(false);
        else await Succeed2Async(step, _request).ConfigureAwait(false);
    }

    private ValueTask ChallengeAsync(byte[] data) =>
        stream.WriteAsync(new Element("challenge", _request is null ? Ns.Sasl : Ns.Sasl2).AddText(Convert.ToBase64String(data)));

    private async ValueTask SucceedAsync(SaslStep step)
    {
        await stream.WriteAsync(new Element("success", Ns.Sasl).AddText(step.Data is null ? null : Convert.ToBase64String(step.Data))).ConfigureAwait(false);
        stream.ExpectRestart();
    }

    /// <summary>XEP-0388 section 2.6: tokens, then resumption, else binding, then the features of the new state.</summary>
    private async ValueTask Succeed2Async(SaslStep step, Element request)
    {
        var success = new Element("success", Ns.Sasl2);
        if (step.Data is not null) success.Add("additional-data", Ns.Sasl2, Convert.ToBase64String(step.Data));
        var token = await TokenAsync(step, request).ConfigureAwait(false);
        var resume = request.Child("resume", Ns.StreamManagement);
        var bind = request.Child("bind", Ns.Bind2);
        if ((resume is not null || bind is not null) && await new Binding(node, stream).HandOverAsync(
            new Element(Binding.HandOver, "").Add(success).Add(token).Add(resume).Add(bind)).ConfigureAwait(false)) return;
        await FinishAsync(success, token, resume, bind).ConfigureAwait(false);
    }

    /// <summary>What comes with a success of SASL2: resumption, else binding, then the features of the new state.</summary>
    public async ValueTask FinishAsync(Element success, Element? token, Element? resume, Element? bind)
    {
        var binding = new Binding(node, stream);
        Element? failed = null;
        if (resume is not null)
        {
            var resumed = success.Clone();
            if (token is not null) resumed.Add(token.Clone());
            failed = await binding.ResumeAsync(resume, resumed).ConfigureAwait(false);
            if (failed is null)
            {
                Seen(stream.Session!);
                return; // XEP-0198: re-established with the success, no features follow
            }
        }
        Session? session = null;
        if (bind is not null) session = await binding.BindInlineAsync(bind, success).ConfigureAwait(false);
        else success.Add("authorization-identifier", Ns.Sasl2, stream.Login!.Bare.ToString());
        success.Add(failed).Add(token);
        stream.Channel.Write(XmppWriter.ToBytes(success, Ns.Client));
        if (session is null)
        {
            await stream.WriteFeaturesAsync().ConfigureAwait(false);
            return;
        }
        stream.Phase = Phase.Bound;
        stream.Channel.Write(Features.ToBytes(node, stream, Offer()));
        Seen(session);
        await binding.EnterAsync(session).ConfigureAwait(false);
    }

    /// <summary>Uses, invalidates, renews or issues a token (XEP-0484). What the client is given is on disk first.</summary>
    private async ValueTask<Element?> TokenAsync(SaslStep step, Element request)
    {
        var fast = request.Child("fast", Ns.Fast);
        if (step.Token is { } used)
        {
            long? count = long.TryParse(fast?["count"], NumberStyles.None, CultureInfo.InvariantCulture, out var c) ? c : null;
            if (!await node.Tokens.UseAsync(used, count).ConfigureAwait(false)) throw new SaslException(SaslCondition.CredentialsExpired);
            if (fast?["invalidate"] is "true" or "1") await node.Tokens.InvalidateAsync(used).ConfigureAwait(false);
            else if (used.ExpiresAt - node.Time.GetUtcNow() < TokenRenewal) return await IssueAsync(step.Account!, used.Mechanism).ConfigureAwait(false);
        }
        var wanted = request.Child("request-token", Ns.Fast)?["mechanism"];
        if (wanted is null || _agent?.Id is null || !Offer().FastMechanisms.Contains(wanted)) return null;
        return await IssueAsync(step.Account!, wanted).ConfigureAwait(false);
    }

    private async ValueTask<Element> IssueAsync(AccountRow account, string mechanism)
    {
        var now = node.Time.GetUtcNow();
        var token = new FastToken(account.Id, _agent!.Id!, TokenSlot.New, mechanism, "secret-token:fast-" + Ids.Token(), now, now + TokenLife, null, null);
        await node.Tokens.IssueAsync(token).ConfigureAwait(false);
        return new Element("token", Ns.Fast).With("token", token.Secret).With("expiry", Accounts.Copies.Stamp(token.ExpiresAt));
    }

    private void Seen(Session session)
    {
        if (stream.Login!.Agent is { Id: { } id } agent) _ = SeenAsync(session, id, agent);
    }

    private async Task SeenAsync(Session session, string id, UserAgent agent)
    {
        try
        {
            // Written when it says something new or is an hour old, else a device that comes and goes would cost a commit each time.
            var known = await node.Devices.FindAsync(session.Account.Id, id).ConfigureAwait(false);
            if (known is not null && known.Name == agent.Device && known.Software == agent.Software && known.Resource == session.Jid.Resource && node.Time.GetUtcNow() - known.LastSeen < SeenGrain) return;
            await node.Devices.SeenAsync(session.Account.Id, id, agent.Device, agent.Software, session.Jid.Resource).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            node.Log.StanzaFailed(session.Jid, e); // a list of devices for people; the login does not hang on it
        }
    }

    private async ValueTask RefuseAsync(SaslException e, string ns)
    {
        node.Metrics.Login(_exchange?.Mechanism ?? "none", succeeded: false);
        node.Log.LoginRefused(_exchange?.Name ?? "", stream.Channel.Remote?.ToString() ?? "", Kebab.Of(e.Condition));
        _exchange = null;
        _request = null;
        if (stream.Phase != Phase.Unauthenticated) throw new StreamException(StreamCondition.NotAuthorized);
        var failure = new Element("failure", ns).Add(Kebab.Of(e.Condition), Ns.Sasl);
        if (e.ErrorText is not null) failure.Add(new Element("text", ns).AddText(e.ErrorText));
        await stream.WriteAsync(failure).ConfigureAwait(false);
        if (++_failures >= node.Options.Limits.LoginAttemptsPerConnection) throw new StreamException(StreamCondition.PolicyViolation, "too many failed logins");
    }

    private static UserAgent? Agent(Element? element)
    {
        if (element is null) return null;
        var id = Guid.TryParseExact(element["id"], "D", out var guid) ? guid.ToString("D") : null;
        return new UserAgent(id, Short(element.ChildText("software", Ns.Sasl2)), Short(element.ChildText("device", Ns.Sasl2)));
    }

    private static string? Short(string? text) => text is { Length: > 100 } ? text[..100] : text;

    private static byte[]? Decode(string? text)
    {
        if (string.IsNullOrEmpty(text)) return null;
        if (text == "=") return []; // RFC 6120 section 6.4.2
        try
        {
            return Convert.FromBase64String(text);
        }
        catch (FormatException)
        {
            throw new SaslException(SaslCondition.IncorrectEncoding);
        }
    }
}
