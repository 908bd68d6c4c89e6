using Indaba.Server.Gateway;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Streams;

/// <summary>How far a stream has been negotiated.</summary>
internal enum Phase
{
    /// <summary>Features offered: TLS and authentication are open.</summary>
    Unauthenticated,
    /// <summary>Authenticated, no resource bound.</summary>
    Authenticated,
    /// <summary>A session carries on.</summary>
    Bound,
    /// <summary>The session is at another node: what comes is passed on to it.</summary>
    Relayed,
}

/// <summary>A stream whose session is at another node, as its gateway sees it.</summary>
internal interface IStreamRelay
{
    /// <summary>Passes on a first-level element; completes when there is room for the next.</summary>
    ValueTask SendAsync(Element element);
    /// <summary>The client's side has ended: cleanly, by breaking the rules of the stream, or by a connection that broke. Completes when nothing is written to the client any more.</summary>
    Task EndAsync(bool cleanly, StreamException? fault);
}

/// <summary>
/// One client stream from its first byte to its end (RFC 6120): opening, STARTTLS, SASL, binding, then stanzas. A state
/// machine over <see cref="Phase"/>; it reads, and until binding it also writes; after it the session writes.
/// </summary>
internal sealed class ClientStream
{
    private readonly Node _node;
    private readonly SaslNegotiation _sasl;
    private readonly Binding _binding;
    private readonly Shaper _shaper;
    private AdmissionTicket? _ticket;
    private bool _opened, _headerSent, _closed;

    /// <param name="ticket">The place among the logins, if it was needed before the stream (direct TLS).</param>
    public ClientStream(Node node, IXmlChannel channel, AdmissionTicket? ticket = null)
    {
        _node = node;
        Channel = channel;
        _ticket = ticket;
        _sasl = new SaslNegotiation(node, this);
        _binding = new Binding(node, this);
        _shaper = new Shaper(node);
    }

    public IXmlChannel Channel { get; }
    /// <summary>The present phase.</summary>
    public Phase Phase { get; set; }
    /// <summary>Who was authenticated, from then on.</summary>
    public Login? Login { get; set; }
    /// <summary>Set when the session is at another node.</summary>
    public IStreamRelay? Relay { get; set; }
    /// <summary>True at the node that holds the session of a stream that came in at another one.</summary>
    public bool IsRelayed { get; private set; }
    /// <summary>The session once it is bound or resumed.</summary>
    public Session? Session { get; set; }
    /// <summary>The address that the client claims in its stream header, unverified.</summary>
    public Jid? ClaimedFrom { get; private set; }
    /// <summary>State of a registration before login (XEP-0077, XEP-0379).</summary>
    public Accounts.Registration? Registration { get; set; }

    /// <summary>Runs the stream to its end. Throws nothing.</summary>
    /// <param name="stopping">The node stops.</param>
    /// <param name="gone">The connection is known to be closed; looked at only while the stream waits for its turn to log in.</param>
    public Task RunAsync(CancellationToken stopping, CancellationToken gone = default) => RunAsync(null, stopping, gone);

    /// <summary>Runs a stream that another node has handed over, from after its authentication to its end. Throws nothing.</summary>
    public Task RunRelayedAsync(Element handOver, CancellationToken stopping)
    {
        IsRelayed = _opened = _headerSent = true;
        Phase = Phase.Authenticated;
        return RunAsync(handOver, stopping, default);
    }

    private async ValueTask TakeOverAsync(Element handOver)
    {
        if (handOver.Child("success", Ns.Sasl2) is { } success)
            await _sasl.FinishAsync(success, handOver.Child("token", Ns.Fast), handOver.Child("resume", Ns.StreamManagement), handOver.Child("bind", Ns.Bind2)).ConfigureAwait(false);
        else await _binding.TakeAsync(handOver.Elements.First()).ConfigureAwait(false);
    }

    private async Task RunAsync(Element? handOver, CancellationToken stopping, CancellationToken gone)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(_node.Options.Limits.UnauthenticatedSeconds), _node.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stopping, gone);
        var cleanly = false;
        try
        {
            if (handOver is not null) await TakeOverAsync(handOver).ConfigureAwait(false);
            else if (_ticket is null && _node.Admission.IsFull) throw TooManyLogins();
            cleanly = await LoopAsync(either.Token, stopping).ConfigureAwait(false);
            if (cleanly && Relay is null) await CloseAsync(new StreamClosing()).ConfigureAwait(false);
        }
        catch (StreamException e)
        {
            _node.Metrics.Refused(Kebab.Of(e.Condition));
            _node.Log.StreamRefused(Channel.Remote?.ToString() ?? "", Kebab.Of(e.Condition), e.ErrorText);
            if (Relay is { } relay) await relay.EndAsync(cleanly: false, e).ConfigureAwait(false); // the session's node writes the error
            else await CloseAsync(new StreamClosing(e.Condition, e.ErrorText, e.Application)).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await CloseAsync(stopping.IsCancellationRequested ? new StreamClosing(StreamCondition.SystemShutdown) : new StreamClosing(StreamCondition.ConnectionTimeout, "no login in time")).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or ObjectDisposedException or InvalidOperationException { Source: "System.IO.Pipelines" } or System.Security.Authentication.AuthenticationException)
        {
            // The connection broke or its handshake failed: whoever was at the other end knows.
        }
        catch (Exception e)
        {
            _node.Log.StreamFailed(Channel.Remote?.ToString() ?? "", e);
            await CloseAsync(new StreamClosing(StreamCondition.InternalServerError)).ConfigureAwait(false);
        }
        if (Relay is { } passed) await passed.EndAsync(cleanly, null).ConfigureAwait(false);
        _ticket?.Dispose();
        if (Session is { } session) await session.DetachAsync(Channel, mayResume: !cleanly).ConfigureAwait(false);
        if (_closed || Channel.IsClosing) _ = AbortLaterAsync(); // closed here, or by the session when another connection took its place
        else Channel.Abort();
    }

    /// <summary>A client that does not read would keep a closed connection open for ever.</summary>
    private async Task AbortLaterAsync()
    {
        await Task.Delay(TimeSpan.FromSeconds(5), _node.Time).ConfigureAwait(false);
        Channel.Abort();
    }

    private async Task<bool> LoopAsync(CancellationToken untilLogin, CancellationToken stopping)
    {
        while (true)
        {
            _ticket?.ClientsTurn();
            var token = await Channel.ReadAsync(Phase switch { Phase.Bound => CancellationToken.None, Phase.Relayed => stopping, _ => untilLogin }).ConfigureAwait(false);
            switch (token)
            {
                case XmppToken.None:
                    return false;
                case XmppToken.StreamClose:
                    return true;
                case XmppToken.StreamOpen:
                    await OpenAsync().ConfigureAwait(false);
                    break;
                default:
                    if (!await TakeAsync(Channel.Element!, untilLogin, stopping).ConfigureAwait(false)) return false;
                    break;
            }
            await _shaper.TakeAsync(Channel.BytesRead, stopping).ConfigureAwait(false);
        }
    }

    /// <summary>The client's stream header (RFC 6120 section 4.7), first or after a restart.</summary>
    private async ValueTask OpenAsync()
    {
        if (_opened) throw new StreamException(StreamCondition.NotAuthorized, "a stream restart was not due");
        _opened = true;
        _headerSent = false;
        var header = Channel.Header;
        WriteHeader(header.From);
        if (header.To is not { } to) throw new StreamException(StreamCondition.ImproperAddressing);
        if (to != Jid.Parse(_node.Options.Domain)) throw new StreamException(StreamCondition.HostUnknown);
        if (!header.HasFeatures) throw new StreamException(StreamCondition.UnsupportedVersion);
        if (_node.SendsAway && Phase == Phase.Unauthenticated) throw new StreamException(StreamCondition.Reset, "this node is leaving; another one takes the next connection");
        ClaimedFrom = header.From;
        await WriteFeaturesAsync().ConfigureAwait(false);
    }

    private void WriteHeader(Jid? to)
    {
        _headerSent = true;
        Channel.WriteHeader(new StreamHeader(to, Jid.Parse(_node.Options.Domain), Ids.Token(), StreamHeader.CurrentVersion, "en"));
    }

    /// <summary>Sends the features of the present phase.</summary>
    public ValueTask WriteFeaturesAsync()
    {
        Channel.Write(Features.ToBytes(_node, this, _sasl.Offer()));
        return Channel.FlushAsync(CancellationToken.None);
    }

    private async ValueTask<bool> TakeAsync(Element element, CancellationToken untilLogin, CancellationToken stopping)
    {
        if (!_opened) throw new StreamException(StreamCondition.NotAuthorized);
        if (Phase == Phase.Authenticated || (Phase == Phase.Unauthenticated && element.Namespace is Ns.Tls or Ns.Sasl or Ns.Sasl2)) await AdmitAsync(untilLogin).ConfigureAwait(false);
        switch (Phase)
        {
            case Phase.Unauthenticated:
                await NegotiateAsync(element, stopping).ConfigureAwait(false);
                break;
            case Phase.Authenticated:
                await _binding.TakeAsync(element).ConfigureAwait(false);
                break;
            case Phase.Relayed:
                await Relay!.SendAsync(element).ConfigureAwait(false);
                break;
            default:
                return await TakeBoundAsync(element).ConfigureAwait(false);
        }
        if (Phase is Phase.Bound or Phase.Relayed) _ticket?.Dispose();
        return true;
    }

    /// <summary>Takes a place among the logins, or has it still.</summary>
    private async ValueTask AdmitAsync(CancellationToken cancel)
    {
        if (_ticket?.ServersTurn() == true) return;
        _ticket = await _node.Admission.EnterAsync(cancel).ConfigureAwait(false) ?? throw TooManyLogins();
    }

    private StreamException TooManyLogins() => new(StreamCondition.ResourceConstraint, $"too many logins at once: come back in {_node.Admission.ComeBackSeconds()} seconds");

    private async ValueTask NegotiateAsync(Element element, CancellationToken stopping)
    {
        if (element.Is("starttls", Ns.Tls)) await StartTlsAsync(stopping).ConfigureAwait(false);
        else if (element.Namespace is Ns.Sasl or Ns.Sasl2) await _sasl.TakeAsync(element).ConfigureAwait(false);
        else if (element.Namespace == Ns.StreamManagement) await WriteAsync(Management.Failed("unexpected-request", null)).ConfigureAwait(false);
        else if (await PreLogin.TryTakeAsync(_node, this, element).ConfigureAwait(false) is { } reply) await WriteAsync(reply).ConfigureAwait(false);
        else throw new StreamException(StreamCondition.NotAuthorized);
    }

    private async ValueTask StartTlsAsync(CancellationToken stopping)
    {
        if (!Channel.CanStartTls)
        {
            await WriteAsync(new Element("failure", Ns.Tls)).ConfigureAwait(false);
            throw new StreamException(StreamCondition.NotAuthorized, "TLS is not to be had here");
        }
        _ticket?.ClientsTurn(); // most of a handshake is the way there and back
        await Channel.StartTlsAsync(XmppWriter.ToBytes(new Element("proceed", Ns.Tls), Ns.Client), stopping).ConfigureAwait(false);
        ExpectRestart();
    }

    private async ValueTask<bool> TakeBoundAsync(Element element)
    {
        if (!Session!.BeginTake(Channel)) return false; // another connection has resumed the session
        try
        {
            await TakeBoundCoreAsync(element).ConfigureAwait(false);
        }
        finally { Session!.EndTake(); }
        return true;
    }

    private ValueTask TakeBoundCoreAsync(Element element)
    {
        if (element.Namespace == Ns.Client) return Submission.TakeAsync(_node, Session!, element);
        if (element.Namespace == Ns.StreamManagement) return Management.TakeAsync(_node, Session!, element);
        if (element.Namespace == Ns.Csi)
        {
            Modules.Csi.OnNonza(Session!, element);
            return ValueTask.CompletedTask;
        }
        throw new StreamException(StreamCondition.UnsupportedStanzaType);
    }

    /// <summary>The next thing must be a new stream header (RFC 6120 section 4.3.3).</summary>
    public void ExpectRestart()
    {
        _opened = false;
        _headerSent = false;
        Channel.Restart();
    }

    /// <summary>Writes one element of the negotiation; only before binding.</summary>
    public ValueTask WriteAsync(Element element)
    {
        Channel.Write(XmppWriter.ToBytes(element, Ns.Client));
        return Channel.FlushAsync(CancellationToken.None);
    }

    private async Task CloseAsync(StreamClosing closing)
    {
        try
        {
            _closed = true;
            if (Relay is { } relay) await relay.EndAsync(cleanly: false, null).ConfigureAwait(false);
            if (Session is { } session && session.Channel == Channel)
            {
                await session.EndAsync(notifyPeers: true, closing).ConfigureAwait(false);
                return;
            }
            if (!_headerSent) WriteHeader(null); // RFC 6120 section 4.9.1.2
            closing.WriteTo(Channel);
            await Channel.FlushAsync(CancellationToken.None).AsTask().WaitAsync(TimeSpan.FromSeconds(2), _node.Time).ConfigureAwait(false);
            Channel.Close();
        }
        catch (Exception) { /* the connection is going anyway */ }
    }
}
