using System.Buffers;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using Indaba.Xmpp;
using Indaba.Xmpp.Sasl;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Gateway;

/// <summary>XML over WebSocket (RFC 7395): each message is one complete element.</summary>
internal sealed class WebSocketChannel(WebSocket socket, EndPoint? remote, bool secure, XmppReaderLimits limits, Action abort) : IXmlChannel
{
    private static readonly byte[] ClientNs = Encoding.UTF8.GetBytes($" xmlns='{Ns.Client}'");
    private readonly List<byte[]> _frames = [];
    private XmppReaderLimits _limits = limits;
    private bool _closeSent;

    /// <inheritdoc/>
    public EndPoint? Remote => remote;
    /// <inheritdoc/>
    public string Transport => "websocket";
    /// <inheritdoc/>
    public bool IsSecure => secure;
    /// <inheritdoc/>
    public bool CanStartTls => false;
    /// <inheritdoc/>
    public ChannelBindings Bindings => ChannelBindings.None; // the browser does not tell its page which certificate it saw
    /// <inheritdoc/>
    public Element? Element { get; private set; }
    /// <inheritdoc/>
    public long BytesRead { get; private set; }
    /// <inheritdoc/>
    public long LastRead { get; private set; } = Environment.TickCount64;

    /// <inheritdoc/>
    public async ValueTask<XmppToken> ReadAsync(CancellationToken cancel)
    {
        var bytes = await ReceiveAsync(cancel).ConfigureAwait(false);
        if (bytes is null) return XmppToken.None;
        Element = XmppReader.ReadFrame(new ReadOnlySequence<byte>(bytes), _limits);
        if (Element.Namespace != Ns.Framing) return XmppToken.Element;
        return Element.Name switch
        {
            "open" => XmppToken.StreamOpen,
            "close" => XmppToken.StreamClose,
            _ => throw new StreamException(StreamCondition.BadFormat),
        };
    }

    private async ValueTask<byte[]?> ReceiveAsync(CancellationToken cancel)
    {
        try
        {
            // An idle socket holds no buffer: wait with an empty read, then rent.
            await socket.ReceiveAsync(Memory<byte>.Empty, cancel).ConfigureAwait(false);
            var message = new ArrayBufferWriter<byte>(1024);
            while (true)
            {
                var part = await socket.ReceiveAsync(message.GetMemory(1024), cancel).ConfigureAwait(false);
                if (part.MessageType == WebSocketMessageType.Close) return null;
                if (part.MessageType == WebSocketMessageType.Binary) throw new StreamException(StreamCondition.BadFormat, "binary frame");
                message.Advance(part.Count);
                LastRead = Environment.TickCount64;
                BytesRead += part.Count;
                if (message.WrittenCount > _limits.MaxElementBytes) throw new StreamException(StreamCondition.PolicyViolation, "stanza too big");
                if (part.EndOfMessage) return message.WrittenSpan.ToArray();
            }
        }
        catch (Exception e) when (e is WebSocketException or IOException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Restart() { /* RFC 7395 section 3.7: the client sends a new open */ }
    /// <inheritdoc/>
    public void SetLimits(XmppReaderLimits limits) => _limits = limits;

    /// <inheritdoc/>
    public StreamHeader Header => StreamHeader.ParseOpen(Element!);
    /// <inheritdoc/>
    public void WriteHeader(StreamHeader header) => _frames.Add(XmppWriter.ToBytes(header.ToOpen(), ""));
    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> element)
    {
        // Each frame stands alone (RFC 7395 section 3.3.3): a stanza declares its namespace.
        var (name, declaration) = element switch
        {
            _ when element.StartsWith("<message"u8) => ("<message".Length, ClientNs),
            _ when element.StartsWith("<presence"u8) => ("<presence".Length, ClientNs),
            _ when element.StartsWith("<iq"u8) => ("<iq".Length, ClientNs),
            _ => (0, []),
        };
        var frame = new byte[element.Length + declaration.Length];
        element[..name].CopyTo(frame);
        declaration.CopyTo(frame.AsSpan(name));
        element[name..].CopyTo(frame.AsSpan(name + declaration.Length));
        _frames.Add(frame);
    }

    /// <inheritdoc/>
    public void WriteClose()
    {
        if (_closeSent) return;
        _closeSent = true;
        _frames.Add(XmppWriter.ToBytes(StreamHeader.Close(), ""));
    }

    /// <inheritdoc/>
    public async ValueTask FlushAsync(CancellationToken cancel)
    {
        foreach (var frame in _frames) await socket.SendAsync(frame.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, cancel).ConfigureAwait(false);
        _frames.Clear();
    }

    /// <inheritdoc/>
    public ValueTask StartTlsAsync(ReadOnlyMemory<byte> proceed, CancellationToken cancel) => throw new StreamException(StreamCondition.UnsupportedFeature);

    /// <inheritdoc/>
    public void Close()
    {
        IsClosing = true;
        _ = CloseAsync();
    }

    /// <inheritdoc/>
    public bool IsClosing { get; private set; }

    private async Task CloseAsync()
    {
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            if (socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token).ConfigureAwait(false);
        }
        catch (Exception) { /* gone already */ }
    }

    /// <inheritdoc/>
    public void Abort()
    {
        socket.Abort();
        abort();
    }
}
