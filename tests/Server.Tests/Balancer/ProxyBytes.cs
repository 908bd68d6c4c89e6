using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Indaba.Server.Tests.Balancer;

/// <summary>PROXY headers as a balancer writes them.</summary>
internal static class ProxyBytes
{
    /// <summary>A header for a client's TCP connection.</summary>
    public static byte[] Of(IPEndPoint source, params byte[][] vectors)
    {
        var port = new byte[4];
        BinaryPrimitives.WriteUInt16BigEndian(port, (ushort)source.Port);
        var address = source.Address.GetAddressBytes();
        return Raw(0x21, address.Length == 4 ? (byte)0x11 : (byte)0x21, [.. address, .. new byte[address.Length], .. port, .. vectors.SelectMany(v => v)]);
    }

    /// <summary>A header with any second half.</summary>
    public static byte[] Raw(byte command, byte family, byte[] block) => [.. "\r\n\r\n\0\r\nQUIT\n"u8, command, family, (byte)(block.Length >> 8), (byte)block.Length, .. block];

    /// <summary>An extension.</summary>
    public static byte[] Vector(byte type, ReadOnlySpan<byte> value) => [type, (byte)(value.Length >> 8), (byte)value.Length, .. value];

    /// <summary>As <see cref="Vector"/>, for generators.</summary>
    public static byte[] VectorOf(byte type, byte[] value) => Vector(type, value);

    /// <summary>PP2_TYPE_SSL.</summary>
    public static byte[] Tls(byte client, string? version) => Vector(0x20, [client, 0, 0, 0, 1, .. version is null ? [] : Vector(0x21, Encoding.ASCII.GetBytes(version))]);

    /// <summary>Bytes in several segments, as a pipe has them.</summary>
    public static ReadOnlySequence<byte> Sequence(params byte[][] parts)
    {
        var first = new Segment(parts[0], 0);
        var last = first;
        foreach (var part in parts[1..]) last = last.Append(part);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes, long index) => (Memory, RunningIndex) = (bytes, index);

        public Segment Append(byte[] bytes)
        {
            var next = new Segment(bytes, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
