using System.Net;
using System.Net.Sockets;
using System.Text;
using Indaba.Server.Options;
using Indaba.Server.Tests.Accounts;
using Indaba.Server.Tests.Wire;
using Xunit;

namespace Indaba.Server.Tests.Balancer;

/// <summary>The PROXY protocol at the wire: whose word is taken, for what, and what is refused.</summary>
public sealed class ProxyProtocolTests
{
    private static readonly byte[] Open = Encoding.UTF8.GetBytes($"<stream:stream to='localhost' version='1.0' xmlns='{Xmpp.Ns.Client}' xmlns:stream='{Xmpp.Ns.Stream}'>");

    private static Task<RunningNode> Start(params string[] from) => RunningNode.StartNew(o => o with
    {
        ProxyProtocol = new ProxyProtocolOptions { From = from },
        Limits = o.Limits with { ConnectionsPerAddress = 2 },
    });

    [Fact]
    public async Task The_client_of_the_header_counts_and_not_the_balancer()
    {
        await using var server = await Start("10.0.0.0/8", "127.0.0.1");
        var other = ProxyBytes.Of(IPEndPoint.Parse("192.0.2.8:5"));
        using var first = await Dial(server, ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5")));
        using var second = await Dial(server, ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:6")));
        Assert.Contains("<starttls", await Features(first), StringComparison.Ordinal);
        Assert.Contains("<starttls", await Features(second), StringComparison.Ordinal);
        using var third = await Dial(server, ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:7")));
        Assert.Equal("", await ToEnd(third)); // limits.connectionsPerAddress
        using var fourth = await Dial(server, other);
        Assert.Contains("<starttls", await Features(fourth), StringComparison.Ordinal);
        await server.StopNode();
    }

    [Fact]
    public async Task Without_TLS_a_client_from_elsewhere_may_not_log_in_and_one_whose_TLS_ended_at_the_balancer_may()
    {
        await using var server = await Start("127.0.0.1");
        using var clear = await Dial(server, ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5")));
        var features = await Features(clear);
        Assert.Contains("<starttls", features, StringComparison.Ordinal);
        Assert.DoesNotContain("<mechanism", features, StringComparison.Ordinal);

        using var secure = await Dial(server, ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:6"), ProxyBytes.Tls(1, "TLSv1.3")));
        features = await Features(secure);
        Assert.DoesNotContain("<starttls", features, StringComparison.Ordinal);
        Assert.Contains(">PLAIN<", features, StringComparison.Ordinal);
        Assert.DoesNotContain("-PLUS", features, StringComparison.Ordinal); // the channel that the client could bind to is not ours

        using var health = await Dial(server, ProxyBytes.Raw(0x20, 0, []));
        Assert.Contains(">SCRAM-SHA-256<", await Features(health), StringComparison.Ordinal); // the balancer's own connection, from this machine
        await server.StopNode();
    }

    [Fact]
    public async Task A_header_is_owed_by_those_in_the_list_and_garbage_from_anybody_else()
    {
        await using var server = await Start("127.0.0.1");
        using var none = await Dial(server, []);
        await none.SendAsync(Open);
        Assert.Equal("", await ToEnd(none));
        using var half = await Dial(server, ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"))[..20]);
        Assert.Equal("", await ToEnd(half)); // after the time that a header may take
        await server.StopNode();

        await using var strangers = await Start("192.0.2.1");
        using var liar = await Dial(strangers, ProxyBytes.Of(IPEndPoint.Parse("192.0.2.7:5"), ProxyBytes.Tls(1, "TLSv1.3")));
        Assert.DoesNotContain("SCRAM", await ToEnd(liar), StringComparison.Ordinal); // a stream error, or what a reset leaves of it
        using var direct = await Dial(strangers, []);
        Assert.Contains("SCRAM", await Features(direct), StringComparison.Ordinal);
        await strangers.StopNode();
    }

    private static async Task<Socket> Dial(TestServer server, byte[] header)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, server.C2sPort);
        if (header.Length > 0) await socket.SendAsync(header);
        return socket;
    }

    private static async Task<string> Features(Socket socket)
    {
        await socket.SendAsync(Open);
        return await Read(socket, "</stream:features>");
    }

    private static Task<string> ToEnd(Socket socket) => Read(socket, null);

    private static async Task<string> Read(Socket socket, string? until)
    {
        using var limit = new CancellationTokenSource(WireClient.Limit);
        var text = new StringBuilder();
        var buffer = new byte[4096];
        while (until is null || !text.ToString().Contains(until, StringComparison.Ordinal))
        {
            int got;
            try
            {
                got = await socket.ReceiveAsync(buffer, limit.Token);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                got = 0;
            }
            if (got == 0) return until is null ? text.ToString() : throw new WireException($"the connection ended after: {text}");
            text.Append(Encoding.UTF8.GetString(buffer, 0, got));
        }
        return text.ToString();
    }
}
