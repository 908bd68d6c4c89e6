using System.Diagnostics;
using System.Net.Http.Headers;
using Indaba.Server.Cluster;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Server.Tests.Balancer;

/// <summary>The HAProxy files that we ship, in the real HAProxy, before two nodes.</summary>
public sealed class HaproxyTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Clients_of_every_port_log_in_and_the_nodes_see_their_true_addresses()
    {
        var (first, n1) = await BalancedNodes.StartProcess("n1");
        await using var _ = first;
        var (second, n2) = await BalancedNodes.StartProcess("n2");
        await using var __ = second;
        await using var haproxy = await HaproxyProcess.StartNew("haproxy.cfg", [n1, n2]);

        // TLS at the node on 5222 and 5223: the channel can be bound to, since nobody sits in between.
        await using var starttls = await WireClient.Login(haproxy, "alice", "starttls", Transport.StartTls, mechanism: "SCRAM-SHA-256-PLUS");
        await using var direct = await WireClient.Login(haproxy, "alice", "direct", Transport.DirectTls, mechanism: "SCRAM-SHA-256-PLUS");
        await using var socket = await WireClient.Login(haproxy, "alice", "socket", Transport.WebSocket, mechanism: "SCRAM-SHA-256");
        var sessions = (await BalancedNodes.Sessions(first)).Concat(await BalancedNodes.Sessions(second)).ToDictionary(s => s.Jid.Split('/')[1]);
        Assert.Equal((starttls.Link.Local, "tls", true), (sessions["starttls"].Address, sessions["starttls"].Transport, sessions["starttls"].Secure));
        Assert.Equal((direct.Link.Local, "tls", true), (sessions["direct"].Address, sessions["direct"].Transport, sessions["direct"].Secure));
        Assert.Equal((socket.Link.Local, "websocket", false), (sessions["socket"].Address, sessions["socket"].Transport, sessions["socket"].Secure));
    }

    [Fact]
    public async Task TLS_at_the_balancer_counts_at_the_nodes()
    {
        var (first, n1) = await BalancedNodes.StartProcess("n1");
        await using var _ = first;
        var (second, n2) = await BalancedNodes.StartProcess("n2");
        await using var __ = second;
        var pem = Path.Combine(first.Folder, "balancer.pem");
        await File.WriteAllTextAsync(pem, await File.ReadAllTextAsync(Path.Combine(first.Folder, "certificate.pem")) + await File.ReadAllTextAsync(Path.Combine(first.Folder, "certificate.key")));
        await using var haproxy = await HaproxyProcess.StartNew("haproxy-tls.cfg", [n1, n2], pem);

        await using var starttls = await WireClient.Login(haproxy, "alice", "starttls", Transport.StartTls, mechanism: "SCRAM-SHA-256-PLUS"); // still at the node
        await using var direct = await WireClient.Connect(haproxy, Transport.DirectTls);
        var mechanisms = direct.Features.Child("mechanisms", Ns.Sasl)!.Children("mechanism", Ns.Sasl).Select(m => m.Text).ToList();
        Assert.Contains("PLAIN", mechanisms); // offered on encrypted connections only
        Assert.DoesNotContain(mechanisms, m => m!.EndsWith("-PLUS", StringComparison.Ordinal));
        Assert.Null(direct.Features.Child("starttls", Ns.Tls));
        await direct.Authenticate("alice", TestServer.Password, "SCRAM-SHA-256");
        await direct.Bind("direct");
        await using var socket = await WireClient.Login(haproxy, "alice", "socket", Transport.WebSocket, mechanism: "SCRAM-SHA-256");
        var sessions = (await BalancedNodes.Sessions(first)).Concat(await BalancedNodes.Sessions(second)).ToDictionary(s => s.Jid.Split('/')[1]);
        Assert.Equal((direct.Link.Local, "tls", true), (sessions["direct"].Address, sessions["direct"].Transport, sessions["direct"].Secure));
        Assert.Equal((socket.Link.Local, "websocket", true), (sessions["socket"].Address, sessions["socket"].Transport, sessions["socket"].Secure));
    }

    [Fact]
    public async Task A_killed_node_is_out_its_clients_are_cut_and_nobody_new_sees_a_refusal()
    {
        var (first, n1) = await BalancedNodes.StartProcess("n1");
        await using var _ = first;
        var (second, n2) = await BalancedNodes.StartProcess("n2");
        await using var __ = second;
        await using var haproxy = await HaproxyProcess.StartNew("haproxy.cfg", [n1, n2]);
        var clients = await LoginOn(haproxy, 6);
        var there = (await BalancedNodes.Sessions(first)).Select(s => s.Jid).ToHashSet();
        Assert.InRange(there.Count, 1, 5); // both nodes have some

        var killed = Stopwatch.GetTimestamp();
        await first.Kill();
        foreach (var client in clients.Where(c => there.Contains(c.Jid))) await client.ExpectEnd();
        var cut = Stopwatch.GetElapsedTime(killed);
        foreach (var client in await LoginOn(haproxy, 6)) await client.DisposeAsync(); // perhaps while HAProxy still takes the node for up
        var served = Stopwatch.GetElapsedTime(killed);
        await haproxy.Until("xmpp", "n1", row => row["status"].StartsWith("DOWN", StringComparison.Ordinal));
        output.WriteLine($"cut after {cut.TotalMilliseconds:0} ms, six logins at the other after {served.TotalMilliseconds:0} ms, marked down after {Stopwatch.GetElapsedTime(killed).TotalMilliseconds:0} ms");
        foreach (var client in clients.Where(c => !there.Contains(c.Jid))) await client.Barrier();

        await first.Start();
        await haproxy.Until("xmpp", "n1", row => row["status"] == "UP");
        foreach (var client in clients) await client.DisposeAsync();
    }

    [Fact]
    public async Task A_node_that_hangs_is_out_and_comes_back()
    {
        var (first, n1) = await BalancedNodes.StartProcess("n1");
        await using var _ = first;
        var (second, n2) = await BalancedNodes.StartProcess("n2");
        await using var __ = second;
        await using var haproxy = await HaproxyProcess.StartNew("haproxy.cfg", [n1, n2]);
        var clients = await LoginOn(haproxy, 6);
        var there = (await BalancedNodes.Sessions(first)).Select(s => s.Jid).ToHashSet();
        await Signal(first, "-STOP");
        try
        {
            output.WriteLine($"down after {(await haproxy.Until("xmpp", "n1", row => row["status"].StartsWith("DOWN", StringComparison.Ordinal))).TotalMilliseconds:0} ms");
            foreach (var client in clients.Where(c => there.Contains(c.Jid))) await client.ExpectEnd(); // HAProxy's doing: the node says nothing
            foreach (var client in await LoginOn(haproxy, 4)) await client.DisposeAsync();
        }
        finally
        {
            await Signal(first, "-CONT");
        }
        await haproxy.Until("xmpp", "n1", row => row["status"] == "UP");
        foreach (var client in clients) await client.DisposeAsync();
    }

    [Fact]
    public async Task Load_database_and_draining_of_a_node_reach_the_balancer()
    {
        var (first, n1) = await BalancedNodes.StartHere("n1", c => c with { Sessions = 4, DatabaseSeconds = 0 });
        await using var _ = first;
        var (second, n2) = await BalancedNodes.StartHere("n2");
        await using var __ = second;
        await using var haproxy = await HaproxyProcess.StartNew("haproxy.cfg", [n1, n2]);
        await haproxy.Until("xmpp", "n1", row => Weight(row) > 60);
        var clients = await LoginOn(haproxy, 4);
        var mine = first.Node.Sessions.Count;
        Assert.InRange(mine, 1, 4);
        await haproxy.Until("xmpp", "n1", row => Weight(row) <= 100 - 25 * mine + 1);
        await haproxy.Until("xmpp", "n2", row => Weight(row) > 60);

        // A database that answers nobody: every reader is busy for ever.
        using (var hold = new ManualResetEventSlim())
        {
            var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(() => first.Node.Database.ReadAsync<int>(connection => hold.Wait(WireClient.Limit) ? 0 : 1))).ToList();
            try
            {
                await haproxy.Until("xmpp", "n1", row => row["status"].StartsWith("DOWN", StringComparison.Ordinal) && row["last_agt"].Contains("database", StringComparison.Ordinal));
            }
            finally
            {
                hold.Set();
                await Task.WhenAll(readers);
            }
        }
        await haproxy.Until("xmpp", "n1", row => row["status"] == "UP");

        first.Node.Lifecycle.Advance(NodeState.Draining);
        await haproxy.Until("xmpp", "n1", row => row["status"].StartsWith("DRAIN", StringComparison.Ordinal));
        var before = first.Node.Sessions.Count;
        foreach (var client in await LoginOn(haproxy, 4)) await client.DisposeAsync();
        Assert.InRange(first.Node.Sessions.Count, 0, before);
        foreach (var client in clients) await client.DisposeAsync();
        await first.StopNode();
        await second.StopNode();
    }

    [Fact]
    public async Task A_browser_comes_back_to_its_node_by_its_cookie_until_the_node_leaves()
    {
        var (first, n1) = await BalancedNodes.StartHere("n1");
        await using var _ = first;
        var (second, n2) = await BalancedNodes.StartHere("n2");
        await using var __ = second;
        await using var haproxy = await HaproxyProcess.StartNew("haproxy.cfg", [n1, n2]);
        await haproxy.Until("http", "n1", row => row["status"] == "UP");
        await haproxy.Until("http", "n2", row => row["status"] == "UP");
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false, PooledConnectionLifetime = TimeSpan.Zero });
        Assert.Equal(["n1", "n2"], (await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => WebSocketNode(http, haproxy, null)))).Distinct().Order());
        for (var i = 0; i < 6; i++) Assert.Null(await WebSocketNode(http, haproxy, "n1")); // no new cookie: it was n1 again
        first.Node.Lifecycle.Advance(NodeState.Draining); // it answers 503 itself, so it does not matter whether HAProxy knows already
        Assert.Equal("n2", await WebSocketNode(http, haproxy, "n1"));
        await haproxy.Until("http", "n1", row => row["status"].StartsWith("DRAIN", StringComparison.Ordinal));
        Assert.Equal("n2", await WebSocketNode(http, haproxy, "n1"));
        Assert.Null(await WebSocketNode(http, haproxy, "n2"));
        await first.StopNode();
        await second.StopNode();
    }

    /// <summary>Opens a WebSocket, and closes it; the node that HAProxy's cookie now names, or null when it sets none.</summary>
    private static async Task<string?> WebSocketNode(HttpClient http, HaproxyProcess haproxy, string? cookie)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{haproxy.HttpPort}/xmpp-websocket");
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Upgrade.Add(new ProductHeaderValue("websocket"));
        request.Headers.Add("Sec-WebSocket-Version", "13");
        request.Headers.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        request.Headers.Add("Sec-WebSocket-Protocol", "xmpp");
        if (cookie is not null) request.Headers.Add("Cookie", $"INDABA={cookie}");
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal(101, (int)response.StatusCode);
        return response.Headers.TryGetValues("Set-Cookie", out var set) ? set.Single().Split(';')[0].Split('=')[1] : null;
    }

    private static async Task<List<WireClient>> LoginOn(HaproxyProcess haproxy, int count)
    {
        var clients = new List<WireClient>();
        for (var i = 0; i < count; i++) clients.Add(await WireClient.Login(haproxy, "alice", $"{i}-{Guid.NewGuid():N}", Transport.StartTls));
        return clients;
    }

    private static int Weight(IReadOnlyDictionary<string, string> row) => int.Parse(row["weight"], System.Globalization.CultureInfo.InvariantCulture);

    private static async Task Signal(ServerProcess server, string signal)
    {
        using var kill = Process.Start("kill", [signal, server.Process!.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        Assert.Equal(0, kill.ExitCode);
    }
}
