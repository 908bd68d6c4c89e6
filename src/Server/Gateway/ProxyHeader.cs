using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Numerics;

namespace Indaba.Server.Gateway;

/// <summary>A connection did not begin with the PROXY header that its address owes; the message says what is wrong, for the log.</summary>
internal sealed class ProxyHeaderException(string message) : Exception(message);

/// <summary>
/// The header that a balancer puts before a connection (PROXY protocol version 2, haproxy's proxy-protocol.txt section
/// 2.2): whose connection it is, and whether the balancer has ended TLS for it.
/// </summary>
/// <param name="Source">The client, or null for a connection of the balancer itself (LOCAL: a health check).</param>
/// <param name="Tls">The client came over TLS that ended at the balancer (PP2_TYPE_SSL).</param>
internal sealed record ProxyHeader(IPEndPoint? Source, bool Tls)
{
    /// <summary>
    /// The largest header that is read. The specification says that a header is "always smaller than an MSS"; the largest
    /// addresses have 216 bytes, and what HAProxy adds (TLS names, a unique id) some hundred more.
    /// </summary>
    public const int MaxBytes = 1024;

    private const int Fixed = 16, TypeCrc = 0x03, TypeSsl = 0x20, ClientSsl = 0x01;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <summary>
    /// Reads a header from the front of <paramref name="buffer"/> and moves it to what comes after. Null: the rest of it has
    /// still to come, and the buffer is as it was.
    /// </summary>
    /// <exception cref="ProxyHeaderException">It is none, or a malformed one: found as soon as the bytes show it.</exception>
    public static ProxyHeader? Read(ref ReadOnlySequence<byte> buffer)
    {
        Span<byte> start = stackalloc byte[Fixed];
        start = start[..(int)Math.Min(Fixed, buffer.Length)];
        buffer.Slice(0, start.Length).CopyTo(start);
        CheckStart(start);
        if (start.Length < Fixed) return null;
        var length = Fixed + BinaryPrimitives.ReadUInt16BigEndian(start[14..]);
        if (length > MaxBytes) throw new ProxyHeaderException("the header is too long");
        if (buffer.Length < length) return null;
        Span<byte> whole = stackalloc byte[MaxBytes];
        whole = whole[..length];
        buffer.Slice(0, length).CopyTo(whole);
        var header = Parse(whole);
        buffer = buffer.Slice(length);
        return header;
    }

    private static void CheckStart(ReadOnlySpan<byte> start)
    {
        var known = Math.Min(start.Length, Signature.Length);
        if (!start[..known].SequenceEqual(Signature[..known])) throw new ProxyHeaderException("the connection does not begin with a PROXY header of version 2");
        if (start.Length > 12 && (start[12] >> 4 != 2 || (start[12] & 0xF) > 1)) throw new ProxyHeaderException("unknown version or command");
        if (start.Length > 13 && (start[13] >> 4 > 3 || (start[13] & 0xF) > 2)) throw new ProxyHeaderException("unknown family or protocol");
    }

    private static ProxyHeader Parse(Span<byte> header)
    {
        // LOCAL: the block is skipped, whatever it says.
        if ((header[12] & 0xF) == 0) return new ProxyHeader(null, Tls: false);
        // Of the families a client of ours can have two. The specification leaves it to us to refuse the others: a client
        // without an address would escape the limits that go by address, and seem to be the balancer's own machine.
        var size = header[13] switch
        {
            0x11 => 4,
            0x21 => 16,
            _ => throw new ProxyHeaderException("the client has no TCP address"),
        };
        var addresses = header[Fixed..];
        if (addresses.Length < 2 * size + 4) throw new ProxyHeaderException("the addresses are cut off");
        var address = new IPAddress(addresses[..size]);
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        var source = new IPEndPoint(address, BinaryPrimitives.ReadUInt16BigEndian(addresses[(2 * size)..]));
        return new ProxyHeader(source, ReadVectors(header, Fixed + 2 * size + 4));
    }

    /// <summary>Walks through what follows the addresses (type, length, value); true when there is TLS among it.</summary>
    private static bool ReadVectors(Span<byte> header, int from)
    {
        var tls = false;
        for (var rest = header[from..]; rest.Length > 0;)
        {
            var value = Take(ref rest, out var type);
            if (type == TypeCrc) CheckCrc(header, value);
            else if (type == TypeSsl) tls = ReadSsl(value);
        }
        return tls;
    }

    private static Span<byte> Take(ref Span<byte> rest, out byte type)
    {
        if (rest.Length < 3) throw new ProxyHeaderException("an extension is cut off");
        var end = 3 + BinaryPrimitives.ReadUInt16BigEndian(rest[1..]);
        if (rest.Length < end) throw new ProxyHeaderException("an extension is cut off");
        type = rest[0];
        var value = rest[3..end];
        rest = rest[end..];
        return value;
    }

    /// <summary>Section 2.2.6: a byte of flags, the outcome of a client certificate (of no interest here), and vectors of its own.</summary>
    private static bool ReadSsl(Span<byte> value)
    {
        if (value.Length < 5) throw new ProxyHeaderException("the TLS extension is cut off");
        for (var rest = value[5..]; rest.Length > 0;) _ = Take(ref rest, out _);
        return (value[0] & ClientSsl) != 0;
    }

    /// <summary>Section 2.2.3: CRC32c of the whole header with zeros in place of the sum itself.</summary>
    private static void CheckCrc(Span<byte> header, Span<byte> sum)
    {
        if (sum.Length != 4) throw new ProxyHeaderException("the checksum is cut off");
        var told = BinaryPrimitives.ReadUInt32BigEndian(sum);
        sum.Clear();
        var crc = uint.MaxValue;
        foreach (var b in header) crc = BitOperations.Crc32C(crc, b);
        if (~crc != told) throw new ProxyHeaderException("the checksum is wrong");
    }
}
