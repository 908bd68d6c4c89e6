using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Wire;

/// <summary>How a client reaches the server.</summary>
public enum Transport { Plain, StartTls, DirectTls, WebSocket }

/// <summary>One connection: framing only, no meaning. Reading and writing may go on at the same time.</summary>
internal abstract class Link : IAsyncDisposable
{
    /// <summary>Sends the stream header (RFC 6120 section 4.2) or its frame (RFC 7395 section 3.4).</summary>
    public abstract Task SendHeader(string domain, CancellationToken cancel);

    /// <summary>Sends bytes as they are; one WebSocket frame.</summary>
    public abstract ValueTask Send(ReadOnlyMemory<byte> bytes, CancellationToken cancel);

    /// <summary>Sends the end of the stream.</summary>
    public abstract ValueTask SendEnd(CancellationToken cancel);

    /// <summary>The next token; (StreamClose, null) once the peer has ended the stream, (None, null) at the end of the connection.</summary>
    public abstract ValueTask<(XmppToken Token, Element? Element)> Read(CancellationToken cancel);

    /// <summary>Prepares for a new stream on the same connection (RFC 6120 section 4.3.3).</summary>
    public abstract void Restart();

    /// <summary>Writes elements as this framing wants them.</summary>
    public abstract ReadOnlyMemory<byte> Encode(string xml);

    /// <summary>This side's address, as text.</summary>
    public abstract string Local { get; }

    /// <summary>False once this side has cut or disposed it.</summary>
    public bool IsOpen { get; protected set; } = true;

    /// <summary>Drops the connection without a word: a TCP reset.</summary>
    public abstract void Cut();

    /// <summary>Closes the connection after what was sent has gone out.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Opens a TCP connection.</summary>
    protected static async Task<Socket> Dial(WireTarget target, int port, CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (target.Source is { } source) socket.Bind(new IPEndPoint(source, 0));
            await socket.ConnectAsync(target.Address, port, cancel);
            if (!target.Preamble.IsEmpty) await socket.SendAsync(target.Preamble, cancel);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

/// <summary>RFC 6120 framing over TCP, with or without TLS.</summary>
internal sealed class TcpLink : Link
{
    private readonly Socket _socket;
    private readonly XmppReader _reader = new(new XmppReaderLimits(MaxElementBytes: 16 << 20, MaxElements: 1_000_000));
    private Stream _stream;
    private PipeReader _pipe;

    private TcpLink(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: false);
        _pipe = PipeReader.Create(_stream, new StreamPipeReaderOptions(leaveOpen: true));
    }

    /// <summary>Connects; with <paramref name="tlsHost"/> the TLS handshake comes first (XEP-0368).</summary>
    public static async Task<TcpLink> Connect(WireTarget target, int port, string? tlsHost, CancellationToken cancel)
    {
        var link = new TcpLink(await Dial(target, port, cancel));
        if (tlsHost is null) return link;
        try
        {
            await link.StartTls(tlsHost, cancel, [new SslApplicationProtocol("xmpp-client")]);
            return link;
        }
        catch
        {
            await link.DisposeAsync();
            throw;
        }
    }

    public override string Local => _socket.LocalEndPoint!.ToString()!;

    /// <summary>The TLS layer, once there is one.</summary>
    public SslStream? Tls => _stream as SslStream;

    /// <summary>The server's certificate, once there is TLS.</summary>
    public X509Certificate2? ServerCertificate => Tls?.RemoteCertificate as X509Certificate2;

    /// <summary>Handshakes on the open connection. Test certificates are self-signed, so any certificate will do.</summary>
    public async Task StartTls(string host, CancellationToken cancel, List<SslApplicationProtocol>? alpn = null)
    {
        var tls = new SslStream(_stream, leaveInnerStreamOpen: false);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = host,
            ApplicationProtocols = alpn,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null,
        }, cancel);
        _stream = tls;
        await _pipe.CompleteAsync();
        _pipe = PipeReader.Create(tls, new StreamPipeReaderOptions(leaveOpen: true));
        _reader.Reset();
    }

    public override Task SendHeader(string domain, CancellationToken cancel) => Send(Encoding.UTF8.GetBytes(
        $"<?xml version='1.0'?><stream:stream to='{XmlText.Escape(domain)}' version='1.0' xml:lang='en' xmlns='{Ns.Client}' xmlns:stream='{Ns.Stream}'>"), cancel).AsTask();

    public override ValueTask Send(ReadOnlyMemory<byte> bytes, CancellationToken cancel) => _stream.WriteAsync(bytes, cancel);

    public override ValueTask SendEnd(CancellationToken cancel) => Send("</stream:stream>"u8.ToArray(), cancel);

    public override async ValueTask<(XmppToken, Element?)> Read(CancellationToken cancel)
    {
        while (true)
        {
            ReadResult result;
            try
            {
                result = await _pipe.ReadAsync(cancel);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
            {
                return (XmppToken.None, null);
            }
            var buffer = result.Buffer;
            var token = _reader.Read(ref buffer);
            if (token != XmppToken.None)
            {
                _pipe.AdvanceTo(buffer.Start);
                return (token, _reader.Element);
            }
            _pipe.AdvanceTo(buffer.Start, result.Buffer.End);
            if (result.IsCompleted) return (XmppToken.None, null);
        }
    }

    public override void Restart() => _reader.Reset();

    /// <summary>Hands over the connection and what was received and not read; this link is then of no more use.</summary>
    public (Socket Socket, Stream Stream, byte[] Unread) Detach()
    {
        byte[] rest = [];
        if (_pipe.TryRead(out var result))
        {
            rest = result.Buffer.ToArray();
            _pipe.AdvanceTo(result.Buffer.End);
        }
        return (_socket, _stream, rest);
    }

    public override ReadOnlyMemory<byte> Encode(string xml) => Encoding.UTF8.GetBytes(xml);

    public override void Cut()
    {
        IsOpen = false;
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Close();
    }

    public override async ValueTask DisposeAsync()
    {
        IsOpen = false;
        try
        {
            await _stream.DisposeAsync();
        }
        catch (IOException)
        {
            // the peer was faster
        }
        _socket.Dispose();
    }
}

/// <summary>RFC 7395 framing: each element is a WebSocket message of its own.</summary>
internal sealed class WebSocketLink : Link
{
    private readonly ClientWebSocket _socket = new();
    private readonly SemaphoreSlim _sending = new(1, 1);
    private Socket? _tcp;

    private WebSocketLink()
    {
    }

    /// <summary>Connects and asks for the subprotocol <c>xmpp</c> (section 3.1).</summary>
    public static async Task<WebSocketLink> Connect(WireTarget target, CancellationToken cancel)
    {
        var link = new WebSocketLink();
        link._socket.Options.AddSubProtocol("xmpp");
        link._socket.Options.Proxy = null;
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = async (context, token) => new NetworkStream(link._tcp = await Dial(target, context.DnsEndPoint.Port, token), ownsSocket: true),
            SslOptions = { RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null },
        };
        using var invoker = new HttpMessageInvoker(handler, disposeHandler: false);
        try
        {
            await link._socket.ConnectAsync(target.WebSocketUrl, invoker, cancel);
            return link;
        }
        catch
        {
            link._socket.Dispose();
            throw;
        }
    }

    public override string Local => _tcp!.LocalEndPoint!.ToString()!;

    /// <summary>The subprotocol that the server chose.</summary>
    public string? SubProtocol => _socket.SubProtocol;

    /// <summary>The close code that the server sent, if any.</summary>
    public WebSocketCloseStatus? CloseStatus => _socket.CloseStatus;

    public override Task SendHeader(string domain, CancellationToken cancel) =>
        Send(Encoding.UTF8.GetBytes($"<open xmlns='{Ns.Framing}' to='{XmlText.Escape(domain)}' version='1.0' xml:lang='en'/>"), cancel).AsTask();

    public override async ValueTask Send(ReadOnlyMemory<byte> bytes, CancellationToken cancel)
    {
        await _sending.WaitAsync(cancel);
        try
        {
            await _socket.SendAsync(bytes, WebSocketMessageType.Text, endOfMessage: true, cancel);
        }
        catch (WebSocketException e)
        {
            throw new IOException(e.Message, e);
        }
        finally
        {
            _sending.Release();
        }
    }

    public override ValueTask SendEnd(CancellationToken cancel) => Send(Encoding.UTF8.GetBytes($"<close xmlns='{Ns.Framing}'/>"), cancel);

    public override async ValueTask<(XmppToken, Element?)> Read(CancellationToken cancel)
    {
        var frame = new ArrayBufferWriter<byte>(1024);
        while (true)
        {
            ValueWebSocketReceiveResult got;
            try
            {
                got = await _socket.ReceiveAsync(frame.GetMemory(1024), cancel);
            }
            catch (Exception e) when (e is WebSocketException or ObjectDisposedException or InvalidOperationException)
            {
                return (XmppToken.None, null);
            }
            if (got.MessageType == WebSocketMessageType.Close) return (XmppToken.None, null);
            frame.Advance(got.Count);
            if (got.EndOfMessage) break;
        }
        // A new reader for each frame: a frame must be complete and well-formed in itself (section 3.3.3).
        var element = XmlFrame(frame.WrittenMemory);
        if (element.Is("open", Ns.Framing)) return (XmppToken.StreamOpen, element);
        return element.Is("close", Ns.Framing) ? (XmppToken.StreamClose, element) : (XmppToken.Element, element);
    }

    public override void Restart()
    {
        // a frame has no state to forget
    }

    public override ReadOnlyMemory<byte> Encode(string xml) => XmppWriter.ToBytes(XmlText.Parse(xml), "");

    public override void Cut()
    {
        IsOpen = false;
        if (_tcp is not null)
        {
            _tcp.LingerState = new LingerOption(true, 0);
            _tcp.Close();
        }
        _socket.Abort();
    }

    public override async ValueTask DisposeAsync()
    {
        IsOpen = false;
        try
        {
            if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
                await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token);
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException)
        {
            // the peer was faster
        }
        _socket.Dispose();
        _sending.Dispose();
    }

    private static Element XmlFrame(ReadOnlyMemory<byte> frame) => XmlText.ParseFrame(Encoding.UTF8.GetString(frame.Span));
}
