using System.Net;
using System.Threading.Channels;
using Indaba.Server.Gateway;
using Indaba.Xmpp;
using Indaba.Xmpp.Sasl;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;
using Orleans.Runtime;

namespace Indaba.Server.Cluster;

/// <summary>
/// The owner's end of a relayed stream. To the session it is a connection like any other: what is written here goes to the
/// gateway and from there to the client. It begins after authentication.
/// </summary>
internal sealed class RelayChannel(SiloAddress gateway, long id, NodeLink link, Relays relays, EndPoint? remote, string transport, bool secure) : IXmlChannel
{
    private readonly Channel<(LinkKind Kind, ReadOnlyMemory<byte> Payload)> _fromGateway = Channel.CreateUnbounded<(LinkKind, ReadOnlyMemory<byte>)>(new() { SingleReader = true }); // bounded by the credit
    private readonly Credit _credit = new(Relays.Window);
    private readonly LinkWriter _written = new();
    private volatile bool _gone;
    private bool _closeWritten;
    private int _over, _taken;

    public SiloAddress Gateway => gateway;
    public long Id => id;

    /// <inheritdoc/>
    public EndPoint? Remote => remote;
    /// <inheritdoc/>
    public string Transport => transport;
    /// <inheritdoc/>
    public bool IsSecure => secure;
    /// <inheritdoc/>
    public bool CanStartTls => false;
    /// <inheritdoc/>
    public ChannelBindings Bindings => ChannelBindings.None; // authentication is over
    /// <inheritdoc/>
    public Element? Element { get; private set; }
    /// <inheritdoc/>
    public long LastRead { get; private set; } = Environment.TickCount64;
    /// <inheritdoc/>
    public long BytesRead => 0; // the gateway's shaper has counted them
    /// <inheritdoc/>
    public StreamHeader Header => throw new StreamException(StreamCondition.NotAuthorized, "a stream restart was not due");
    /// <inheritdoc/>
    public bool IsClosing { get; private set; }

    /// <summary>Something has come from the gateway. Never blocks.</summary>
    public void Take(LinkKind kind, ReadOnlyMemory<byte> payload)
    {
        if (kind == LinkKind.RelayCredit) _credit.Give((int)new LinkReader(payload).Number());
        else _fromGateway.Writer.TryWrite((kind, payload));
    }

    /// <inheritdoc/>
    public async ValueTask<XmppToken> ReadAsync(CancellationToken cancel)
    {
        if (_taken > 0)
        {
            // The element before has been dealt with: the gateway may send as much again.
            var taken = _taken;
            _taken = 0;
            link.Post(Relays.Item(LinkKind.RelayCredit, toGateway: true, id, w => w.Number((ulong)taken)));
        }
        if (!await _fromGateway.Reader.WaitToReadAsync(cancel).ConfigureAwait(false) || !_fromGateway.Reader.TryRead(out var next)) return XmppToken.None;
        LastRead = Environment.TickCount64;
        if (next.Kind == LinkKind.RelayData)
        {
            _taken = next.Payload.Length;
            Element = XmppReader.ReadStored(next.Payload, Ns.Client);
            return XmppToken.Element;
        }
        return End(new LinkReader(next.Payload));
    }

    private XmppToken End(LinkReader reader)
    {
        switch ((RelayEnd)reader.Number())
        {
            case RelayEnd.Closed:
                return XmppToken.StreamClose;
            case RelayEnd.Fault:
                throw new StreamException(Kebab.TryParse<StreamCondition>(reader.Text(), out var condition) ? condition : StreamCondition.UndefinedCondition, reader.Optional());
            default:
                _gone = true;
                Finish();
                return XmppToken.None;
        }
    }

    /// <inheritdoc/>
    public void Restart() { }
    /// <inheritdoc/>
    public void SetLimits(XmppReaderLimits limits) { /* the gateway's reader has them */ }
    /// <inheritdoc/>
    public void WriteHeader(StreamHeader header) { /* the gateway has written it */ }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> element) => _written.Bytes(element);

    /// <inheritdoc/>
    public void WriteClose() => _closeWritten = true;

    /// <inheritdoc/>
    public async ValueTask FlushAsync(CancellationToken cancel)
    {
        if (_written.Length == 0) return;
        if (_gone) throw new IOException("the gateway's connection is gone");
        var bytes = _written.Take();
        await _credit.TakeAsync(bytes.Length).ConfigureAwait(false);
        if (_gone) throw new IOException("the gateway's connection is gone");
        link.Post(Relays.Item(LinkKind.RelayData, toGateway: true, id, w => w.Raw(bytes)));
    }

    /// <inheritdoc/>
    public ValueTask StartTlsAsync(ReadOnlyMemory<byte> proceed, CancellationToken cancel) => throw new StreamException(StreamCondition.UnsupportedFeature);

    /// <inheritdoc/>
    public void Close()
    {
        IsClosing = true;
        EndAtGateway(abort: !_closeWritten);
    }

    /// <inheritdoc/>
    public void Abort() => EndAtGateway(abort: true);

    private void EndAtGateway(bool abort)
    {
        if (!_gone && Volatile.Read(ref _over) == 0) link.Post(Relays.Item(LinkKind.RelayEnd, toGateway: true, id, w => w.Number(abort ? 1UL : 0UL)));
        _gone = true;
        Finish();
    }

    private void Finish()
    {
        if (Interlocked.Exchange(ref _over, 1) != 0) return;
        relays.Remove(this);
        _fromGateway.Writer.TryComplete();
        _credit.End();
    }
}
