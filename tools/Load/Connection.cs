using System.Buffers.Text;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Load;

/// <summary>A session with stream management, logged in by the test client and then run on the bare socket.</summary>
internal abstract class Connection : IDisposable
{
    private readonly Stream _stream;
    private readonly Socket _socket;
    private readonly bool _plain;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private byte[] _buffer = new byte[16_384];
    private int _length;
    private ElementScanner _scanner;
    private uint _received;

    protected Connection((Socket Socket, Stream Stream, byte[] Unread) link, uint received)
    {
        (_socket, _stream) = (link.Socket, link.Stream);
        _plain = _stream is NetworkStream;
        link.Unread.CopyTo(_buffer, 0);
        _length = link.Unread.Length;
        _received = received;
    }

    /// <summary>Logs in, enables stream management and, if asked, appears; the socket is then the caller's.</summary>
    public static async Task<(Socket, Stream, byte[])> Login(TestServer server, string account, Transport transport, bool appears)
    {
        var client = await WireClient.Login(server, account, "load", transport);
        if (appears)
        {
            await client.Send("<presence/>");
            await client.Expect(e => e.Is("presence", Ns.Client) && e["from"] == client.Jid, "the own presence");
        }
        await client.Send($"<enable xmlns='{Ns.StreamManagement}' resume='true'/>");
        await client.Expect(e => e.Is("enabled", Ns.StreamManagement), "enabled");
        return ((TcpLink)client.Link).Detach();
    }

    /// <summary>Reads until the connection ends or is disposed.</summary>
    public async Task Run()
    {
        try
        {
            await Scan();
            while (true)
            {
                if (_length == _buffer.Length) Array.Resize(ref _buffer, _buffer.Length * 2);
                var room = _buffer.AsMemory(_length);
                var got = _plain ? await _socket.ReceiveAsync(room) : await _stream.ReadAsync(room);
                if (got == 0) return;
                _length += got;
                await Scan();
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // the end of the run
        }
    }

    /// <summary>Sends bytes.</summary>
    public async ValueTask Send(ReadOnlyMemory<byte> bytes)
    {
        await _sending.WaitAsync();
        try
        {
            if (_plain)
            {
                while (bytes.Length > 0) bytes = bytes[await _socket.SendAsync(bytes)..];
            }
            else
            {
                await _stream.WriteAsync(bytes);
            }
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stream.Dispose();
        _socket.Dispose();
    }

    /// <summary>A message came.</summary>
    protected virtual void OnMessage(ReadOnlySpan<byte> element)
    {
    }

    /// <summary>The server acknowledged as many stanzas as <paramref name="h"/> says.</summary>
    protected virtual void OnAck(uint h)
    {
    }

    /// <summary>All that had come was looked at.</summary>
    protected virtual ValueTask OnTurnEnd() => ValueTask.CompletedTask;

    private async ValueTask Scan()
    {
        if (Look()) await Send(Encoding.ASCII.GetBytes($"<a xmlns='{Ns.StreamManagement}' h='{_received.ToString(CultureInfo.InvariantCulture)}'/>"));
        await OnTurnEnd();
    }

    /// <summary>Looks at all complete elements; true when the server asked for an ack.</summary>
    private bool Look()
    {
        var asked = false;
        var rest = _buffer.AsSpan(0, _length);
        int size;
        while ((size = _scanner.Next(rest)) > 0)
        {
            var element = rest[..size].TrimStart(" \r\n\t"u8);
            rest = rest[size..];
            if (element.StartsWith("<message"u8))
            {
                _received++;
                OnMessage(element);
            }
            else if (element.StartsWith("<iq"u8) || element.StartsWith("<presence"u8))
            {
                _received++;
            }
            else if (element.StartsWith("<r"u8))
            {
                asked = true;
            }
            else if (element.StartsWith("<a"u8))
            {
                OnAck(H(element));
            }
        }
        rest.CopyTo(_buffer);
        _length = rest.Length;
        return asked;
    }

    private static uint H(ReadOnlySpan<byte> element)
    {
        var at = element.IndexOf(" h="u8);
        return at >= 0 && Utf8Parser.TryParse(element[(at + 4)..], out uint h, out _) ? h : throw new FormatException(Encoding.UTF8.GetString(element));
    }
}
