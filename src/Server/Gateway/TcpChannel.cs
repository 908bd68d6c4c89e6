using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Security.Authentication.ExtendedProtection;
using System.Security.Cryptography.X509Certificates;
using Indaba.Xmpp.Sasl;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Gateway;

/// <summary>XML over TCP or TLS with the framing of RFC 6120.</summary>
internal sealed class TcpChannel : IXmlChannel, IAsyncDisposable
{
    private static readonly StreamPipeReaderOptions TlsReader = new(bufferSize: 4096, useZeroByteReads: true);
    private readonly XmppReader _reader;
    private readonly Func<Stream, CancellationToken, Task<TlsSession>>? _startTls;
    private readonly Action _abort;
    private PipeReader _input;
    private PipeWriter _output;
    private TlsSession? _tls;

    /// <param name="startTls">Performs the server's handshake; null when STARTTLS is not to be had.</param>
    /// <param name="tls">The TLS session for direct TLS, or null.</param>
    public TcpChannel(IDuplexPipe pipe, EndPoint? remote, XmppReaderLimits limits, TlsSession? tls, Func<Stream, CancellationToken, Task<TlsSession>>? startTls, Action abort)
    {
        _input = pipe.Input;
        _output = pipe.Output;
        _reader = new XmppReader(limits);
        _tls = tls;
        _startTls = startTls;
        _abort = abort;
        Remote = remote;
    }

    /// <inheritdoc/>
    public EndPoint? Remote { get; }
    /// <inheritdoc/>
    public string Transport => _tls is null ? "tcp" : "tls";
    /// <inheritdoc/>
    public bool IsSecure => _tls is not null;
    /// <inheritdoc/>
    public bool CanStartTls => _tls is null && _startTls is not null;
    /// <inheritdoc/>
    public ChannelBindings Bindings => _tls?.Bindings ?? ChannelBindings.None;
    /// <inheritdoc/>
    public Element? Element => _reader.Element;
    /// <inheritdoc/>
    public long BytesRead { get; private set; }
    /// <inheritdoc/>
    public long LastRead { get; private set; } = Environment.TickCount64;

    /// <inheritdoc/>
    public async ValueTask<XmppToken> ReadAsync(CancellationToken cancel)
    {
        while (true)
        {
            var result = await _input.ReadAsync(cancel).ConfigureAwait(false);
            if (result.IsCanceled) return XmppToken.None;
            LastRead = Environment.TickCount64;
            var buffer = result.Buffer;
            var before = buffer.Length;
            var token = XmppToken.None;
            try
            {
                token = _reader.Read(ref buffer);
            }
            finally
            {
                BytesRead += before - buffer.Length;
                _input.AdvanceTo(buffer.Start, token == XmppToken.None ? buffer.End : buffer.Start);
            }
            if (token != XmppToken.None) return token;
            if (result.IsCompleted) return XmppToken.None;
        }
    }

    /// <inheritdoc/>
    public void Restart() => _reader.Reset();
    /// <inheritdoc/>
    public void SetLimits(XmppReaderLimits limits) => _reader.Limits = limits;

    /// <inheritdoc/>
    public StreamHeader Header => StreamHeader.Parse(_reader.Element!, _reader.ContentNamespace);
    /// <inheritdoc/>
    public void WriteHeader(StreamHeader header) => header.WriteTo(_output);
    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> element) => _output.Write(element);
    /// <inheritdoc/>
    public void WriteClose() => Write(StreamHeader.ClosingTag);

    /// <inheritdoc/>
    public async ValueTask FlushAsync(CancellationToken cancel)
    {
        var result = await _output.FlushAsync(cancel).ConfigureAwait(false);
        if (result.IsCompleted) throw new IOException("the connection is closed");
    }

    /// <inheritdoc/>
    public async ValueTask StartTlsAsync(ReadOnlyMemory<byte> proceed, CancellationToken cancel)
    {
        // What came after <starttls/> in clear could be somebody else's: never carry it into the encrypted stream. Looked
        // at before the go-ahead: what comes after that is the handshake.
        if (_input.TryRead(out var rest))
        {
            var injected = rest.Buffer.Length > 0;
            _input.AdvanceTo(rest.Buffer.Start);
            if (injected) throw new StreamException(StreamCondition.PolicyViolation, "data in clear after starttls");
        }
        Write(proceed.Span);
        await FlushAsync(cancel).ConfigureAwait(false);
        _tls = await _startTls!(new DuplexStream(_input, _output), cancel).ConfigureAwait(false);
        _input = PipeReader.Create(_tls.Stream!, TlsReader);
        _output = PipeWriter.Create(_tls.Stream!, new StreamPipeWriterOptions(leaveOpen: true));
        _reader.Reset();
    }

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
            await _output.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception) { /* gone already */ }
        _input.CancelPendingRead();
    }

    /// <inheritdoc/>
    public void Abort()
    {
        _abort();
        _input.CancelPendingRead();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_tls?.Stream is { } stream) await stream.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The two pipes of a connection as one stream, for the TLS handshake.</summary>
    private sealed class DuplexStream(PipeReader input, PipeWriter output) : Stream
    {
        private readonly Stream _read = input.AsStream(leaveOpen: true);
        private readonly Stream _write = output.AsStream(leaveOpen: true);

        public override bool CanRead => true;
        public override bool CanWrite => true;
        public override bool CanSeek => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override int Read(byte[] buffer, int offset, int count) => _read.Read(buffer, offset, count);
        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => _read.ReadAsync(buffer, offset, count, cancellationToken);
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _read.ReadAsync(buffer, cancellationToken);
        public override void Write(byte[] buffer, int offset, int count) => _write.Write(buffer, offset, count);
        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => _write.WriteAsync(buffer, offset, count, cancellationToken);
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _write.WriteAsync(buffer, cancellationToken);
        public override void Flush() => _write.Flush();
        public override Task FlushAsync(CancellationToken cancellationToken) => _write.FlushAsync(cancellationToken);
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}

/// <summary>What is known of a connection's TLS.</summary>
/// <param name="Stream">The encrypted stream, or null when the listener does TLS itself.</param>
/// <param name="Bindings">The channel bindings of the connection.</param>
internal sealed record TlsSession(SslStream? Stream, ChannelBindings Bindings)
{
    /// <summary>Reads the bindings of a finished handshake.</summary>
    public static ChannelBindings BindingsOf(SslStream ssl, X509Certificate2 certificate)
    {
        using var unique = ssl.TransportContext.GetChannelBinding(ChannelBindingKind.Unique);
        return new ChannelBindings(ChannelBindings.ServerEndPoint(certificate), unique: unique is null ? null : Bytes(unique), tls13: ssl.SslProtocol == SslProtocols.Tls13);
    }

    // .NET puts SEC_CHANNEL_BINDINGS (8 numbers of 4 bytes; the last two are length and offset of the data) before "tls-unique:" and the data.
    private static byte[]? Bytes(ChannelBinding binding)
    {
        var all = new byte[binding.Size];
        Marshal.Copy(binding.DangerousGetHandle(), all, 0, all.Length);
        var prefix = "tls-unique:"u8;
        var at = all.AsSpan().IndexOf(prefix);
        return at < 0 ? null : all[(at + prefix.Length)..];
    }
}
