using System.Buffers;
using System.Net;
using System.Numerics;
using CsCheck;
using Indaba.Server.Gateway;
using Xunit;

namespace Indaba.Server.Tests.Balancer;

/// <summary>The PROXY header of version 2 (proxy-protocol.txt section 2.2): what is read, and that nothing else is.</summary>
public sealed class ProxyHeaderTests
{
    private static readonly byte[] Rest = "<?xml version='1.0'?>"u8.ToArray();

    public static TheoryData<string> Addresses => ["192.0.2.7:50123", "[2001:db8::7]:50123", "127.0.0.1:1", "[::1]:65535"];

    [Theory]
    [MemberData(nameof(Addresses))]
    public void A_header_says_whose_connection_it_is_and_leaves_what_comes_after(string address)
    {
        var source = IPEndPoint.Parse(address);
        var (header, rest) = Read([.. ProxyBytes.Of(source), .. Rest]);
        Assert.Equal(new ProxyHeader(source, Tls: false), header);
        Assert.Equal(Rest, rest);
    }

    [Fact]
    public void An_address_of_IPv4_in_IPv6_is_one_of_IPv4()
    {
        var mapped = new IPEndPoint(IPAddress.Parse("192.0.2.7").MapToIPv6(), 5);
        Assert.Equal(IPEndPoint.Parse("192.0.2.7:5"), Read(ProxyBytes.Of(mapped)).Header!.Source);
    }

    [Fact]
    public void TLS_that_ended_at_the_balancer_is_seen()
    {
        var source = IPEndPoint.Parse("192.0.2.7:5");
        Assert.True(Read(ProxyBytes.Of(source, ProxyBytes.Tls(client: 1, version: "TLSv1.3"))).Header!.Tls);
        Assert.True(Read(ProxyBytes.Of(source, ProxyBytes.Vector(1, "xmpp-client"u8), ProxyBytes.Tls(client: 7, version: "TLSv1.2"), ProxyBytes.Vector(4, []))).Header!.Tls);
        Assert.False(Read(ProxyBytes.Of(source, ProxyBytes.Tls(client: 0, version: null))).Header!.Tls);
        Assert.False(Read(ProxyBytes.Of(source, ProxyBytes.Vector(0xE0, ProxyBytes.Tls(client: 1, version: "TLSv1.3")))).Header!.Tls); // somebody's own extension
    }

    [Fact]
    public void A_connection_of_the_balancer_itself_has_no_client_whatever_its_block_says()
    {
        Assert.Equal(new ProxyHeader(null, false), Read(ProxyBytes.Raw(0x20, 0x00, [])).Header);
        Assert.Equal(new ProxyHeader(null, false), Read(ProxyBytes.Raw(0x20, 0x11, [1, 2, 3])).Header);
        var (header, rest) = Read([.. ProxyBytes.Raw(0x20, 0x21, new byte[40]), .. Rest]);
        Assert.Null(header!.Source);
        Assert.Equal(Rest, rest);
    }

    public static TheoryData<string, byte[]> Malformed => new()
    {
        { "version 1", "PROXY TCP4 192.0.2.7 192.0.2.8 5 6\r\n"u8.ToArray() },
        { "XMPP", Rest },
        { "TLS", [0x16, 0x03, 0x01] },
        { "one wrong byte", [0x0D, 0x0A, 0x0D, 0x0B] },
        { "version 3", ProxyBytes.Raw(0x31, 0x11, new byte[12]) },
        { "unknown command", ProxyBytes.Raw(0x22, 0x11, new byte[12]) },
        { "unknown family", ProxyBytes.Raw(0x21, 0x41, new byte[12]) },
        { "unknown protocol", ProxyBytes.Raw(0x21, 0x13, new byte[12]) },
        { "datagrams", ProxyBytes.Raw(0x21, 0x12, new byte[12]) },
        { "no address", ProxyBytes.Raw(0x21, 0x00, []) },
        { "a Unix socket", ProxyBytes.Raw(0x21, 0x31, new byte[216]) },
        { "IPv4 cut off", ProxyBytes.Raw(0x21, 0x11, new byte[11]) },
        { "IPv6 cut off", ProxyBytes.Raw(0x21, 0x21, new byte[35]) },
        { "IPv4's length for IPv6", ProxyBytes.Raw(0x21, 0x21, new byte[12]) },
        { "too long", ProxyBytes.Raw(0x21, 0x11, new byte[ProxyHeader.MaxBytes]) },
        { "too long, and not all there", ProxyBytes.Raw(0x21, 0x11, new byte[60_000])[..16] },
        { "a type alone", ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"), [0x04]) },
        { "an extension longer than the header", ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"), [0x04, 0, 9, 1]) },
        { "TLS without its flags", ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"), ProxyBytes.Vector(0x20, [1, 0, 0, 0])) },
        { "TLS with a broken inner extension", ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"), ProxyBytes.Vector(0x20, [1, 0, 0, 0, 0, 0x21, 0, 9])) },
        { "a wrong checksum", ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"), ProxyBytes.Vector(3, [1, 2, 3, 4])) },
        { "half a checksum", ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"), ProxyBytes.Vector(3, [1, 2])) },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public void What_is_malformed_is_refused(string why, byte[] bytes)
    {
        Assert.NotEmpty(why);
        Assert.Throws<ProxyHeaderException>(() => Read(bytes));
    }

    [Fact]
    public void A_right_checksum_is_accepted()
    {
        var bytes = ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"), ProxyBytes.Vector(3, [0, 0, 0, 0]));
        var crc = ~bytes.Aggregate(uint.MaxValue, BitOperations.Crc32C);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(^4), crc);
        Assert.Equal(IPEndPoint.Parse("192.0.2.7:5"), Read(bytes).Header!.Source);
    }

    private static readonly Gen<byte[]> AnyHeader =
        from v6 in Gen.Bool
        from address in Gen.Byte.Array[16]
        from port in Gen.Int[0, 65_535]
        from vectors in Gen.Select(Gen.Byte[0x30, 0xFF], Gen.Byte.Array[0, 40], ProxyBytes.VectorOf).Array[0, 4]
        from tls in Gen.Bool
        select ProxyBytes.Of(new IPEndPoint(new IPAddress(v6 ? address : address[..4]), port), [.. vectors, .. tls ? [ProxyBytes.Tls(1, "TLSv1.3")] : Array.Empty<byte[]>()]);

    [Fact]
    public void Every_split_gives_the_same_and_every_beginning_waits_for_more() => AnyHeader.Sample(header =>
    {
        byte[] all = [.. header, .. Rest];
        var (whole, rest) = Read(all);
        Assert.NotNull(whole);
        Assert.Equal(Rest, rest);
        for (var cut = 0; cut < header.Length; cut++)
        {
            Assert.Null(Read(header[..cut]).Header); // not refused, and nothing taken
            Assert.Equal(cut, Read(header[..cut]).After.Length);
            Assert.Equal(whole, Read(header[..cut], [.. header[cut..], .. Rest]).Header);
        }
    }, iter: 200);

    [Fact]
    public void Bytes_of_any_kind_are_read_refused_or_waited_for_and_nothing_else() => Gen.Select(AnyHeader, Gen.Select(Gen.Int[0, 400], Gen.Byte).Array[0, 5], Gen.Int[0, 400]).Sample((header, changes, length) =>
    {
        foreach (var (at, value) in changes) header[at % header.Length] = value;
        var bytes = header[..Math.Min(length, header.Length)];
        try
        {
            var (read, rest) = Read(bytes);
            Assert.True(read is null ? rest.Length == bytes.Length : rest.Length < bytes.Length);
        }
        catch (ProxyHeaderException)
        {
            // the right answer to most of them
        }
    }, iter: 20_000);

    private static (ProxyHeader? Header, byte[] After) Read(params byte[][] parts)
    {
        var buffer = ProxyBytes.Sequence(parts);
        var header = ProxyHeader.Read(ref buffer);
        return (header, buffer.ToArray());
    }
}
