using System.Net;
using Indaba.Xmpp.Sasl;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Gateway;

/// <summary>
/// One duplex connection that carries XML: TCP with the framing of RFC 6120, or WebSocket with that of RFC 7395.
/// Reading is done by one reader; writing by one writer at a time (the caller sees to it).
/// </summary>
internal interface IXmlChannel
{
    /// <summary>The client's address.</summary>
    EndPoint? Remote { get; }
    /// <summary>"tcp", "tls" or "websocket".</summary>
    string Transport { get; }
    /// <summary>True when the bytes are encrypted up to this server, or up to a proxy that is trusted to say so.</summary>
    bool IsSecure { get; }
    /// <summary>True when STARTTLS can be offered.</summary>
    bool CanStartTls { get; }
    /// <summary>The channel bindings that the connection has (RFC 5929).</summary>
    ChannelBindings Bindings { get; }
    /// <summary>The element of the last token read.</summary>
    Element? Element { get; }

    /// <summary>Reads the next token; <see cref="XmppToken.None"/> when the connection has ended without a stream close.</summary>
    /// <exception cref="StreamException">The client broke the rules of the stream.</exception>
    ValueTask<XmppToken> ReadAsync(CancellationToken cancel);

    /// <summary>Expects a new stream header next (RFC 6120 section 4.3.3).</summary>
    void Restart();
    /// <summary>Sets the reader's limits (they are stricter before authentication).</summary>
    void SetLimits(XmppReaderLimits limits);
    /// <summary>When something was last read, in milliseconds of <see cref="Environment.TickCount64"/>.</summary>
    long LastRead { get; }
    /// <summary>Bytes read so far, for the shaper.</summary>
    long BytesRead { get; }
    /// <summary>The client's stream header, at <see cref="XmppToken.StreamOpen"/>.</summary>
    /// <exception cref="StreamException">It is none.</exception>
    StreamHeader Header { get; }
    /// <summary>Writes the server's stream header.</summary>
    void WriteHeader(StreamHeader header);
    /// <summary>Writes one first-level element: UTF-8, in the default namespace <c>jabber:client</c> without declaring it.</summary>
    void Write(ReadOnlySpan<byte> element);
    /// <summary>Writes the end of the stream.</summary>
    void WriteClose();
    /// <summary>Sends what was written; completes when the connection can take more.</summary>
    ValueTask FlushAsync(CancellationToken cancel);
    /// <summary>Writes <paramref name="proceed"/> and performs the server's side of the TLS handshake (RFC 6120 section 5.4.3.3).</summary>
    /// <exception cref="StreamException">The client has sent more in clear.</exception>
    ValueTask StartTlsAsync(ReadOnlyMemory<byte> proceed, CancellationToken cancel);
    /// <summary>Ends the connection after what was flushed has gone out.</summary>
    void Close();
    /// <summary>True after <see cref="Close"/>: what was flushed may still be on its way, and <see cref="Abort"/> would take it back.</summary>
    bool IsClosing { get; }
    /// <summary>Cuts the connection at once.</summary>
    void Abort();
}
