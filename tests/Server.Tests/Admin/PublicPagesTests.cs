using System.Net;
using System.Text.Json;
using System.Xml.Linq;
using Indaba.Server.Cluster;
using Indaba.Server.Options;
using Indaba.Server.Telemetry;
using Xunit;

namespace Indaba.Server.Tests.Admin;

/// <summary>What the HTTP listener gives to everybody: host-meta, health, the front page, metrics if wanted.</summary>
public sealed class PublicPagesTests
{
    [Fact]
    public async Task Host_meta_names_the_websocket_in_both_formats_to_every_origin()
    {
        await using var server = await SmallServer.StartAsync(o => o with { PublicUrl = new Uri("https://chat.example.org/") });
        using var xrd = await server.Http.GetAsync(new Uri(".well-known/host-meta", UriKind.Relative));
        Assert.Equal("application/xrd+xml", xrd.Content.Headers.ContentType!.MediaType);
        Assert.Equal("*", xrd.Headers.GetValues("Access-Control-Allow-Origin").Single());
        XNamespace ns = "http://docs.oasis-open.org/ns/xri/xrd-1.0";
        var link = XDocument.Parse(await xrd.Content.ReadAsStringAsync()).Root!.Element(ns + "Link")!;
        Assert.Equal(("urn:xmpp:alt-connections:websocket", "wss://chat.example.org/xmpp-websocket"), (link.Attribute("rel")!.Value, link.Attribute("href")!.Value));

        using var jrd = await server.Http.GetAsync(new Uri(".well-known/host-meta.json", UriKind.Relative));
        Assert.Equal("application/json", jrd.Content.Headers.ContentType!.MediaType);
        Assert.Equal("*", jrd.Headers.GetValues("Access-Control-Allow-Origin").Single());
        using var json = JsonDocument.Parse(await jrd.Content.ReadAsStringAsync());
        Assert.Equal("wss://chat.example.org/xmpp-websocket", json.RootElement.GetProperty("links")[0].GetProperty("href").GetString());
    }

    [Theory]
    [InlineData(null, true, "wss://localhost:5281/xmpp-websocket")]
    [InlineData(null, false, "ws://localhost:5280/xmpp-websocket")]
    [InlineData("https://chat.example.org", false, "wss://chat.example.org/xmpp-websocket")]
    [InlineData("https://example.org:8443/chat/", true, "wss://example.org:8443/chat/xmpp-websocket")]
    [InlineData("http://chat.example.org", true, "ws://chat.example.org/xmpp-websocket")]
    public void The_websocket_follows_the_public_address(string? publicUrl, bool https, string expected) =>
        Assert.Equal(expected, new PublicAddress(new Settings(new ServerOptions { PublicUrl = publicUrl is null ? null : new Uri(publicUrl) })).WebSocketFor(https)!.AbsoluteUri);

    [Fact]
    public void The_base_of_links_suits_the_machine_itself_or_the_world()
    {
        static string? Base(ServerOptions options) => new PublicAddress(new Settings(options)).Base?.AbsoluteUri;
        Assert.Equal("http://localhost:5280/", Base(new ServerOptions()));
        Assert.Equal("https://chat.example.org:5281/", Base(new ServerOptions { Domain = "chat.example.org" }));
        Assert.Equal("https://chat.example.org/", Base(new ServerOptions { Domain = "chat.example.org", Https = new() { Port = new(443) } }));
        Assert.Equal("https://localhost:5281/", Base(new ServerOptions { Http = new() { Port = ListenPort.Off } }));
        Assert.Null(Base(new ServerOptions { Http = new() { Port = ListenPort.Off }, Https = new() { Port = ListenPort.Off } }));
        Assert.Equal("https://example.org/chat/invite/x", new PublicAddress(new Settings(new ServerOptions { PublicUrl = new Uri("https://example.org/chat") })).Under("invite/x")!.AbsoluteUri);
    }

    [Fact]
    public async Task Health_is_ready_only_while_connections_are_taken_and_the_database_answers()
    {
        await using var server = await SmallServer.StartAsync();
        async Task<(HttpStatusCode, string)> Get(string path)
        {
            using var response = await server.Http.GetAsync(new Uri(path, UriKind.Relative));
            return (response.StatusCode, await response.Content.ReadAsStringAsync());
        }
        Assert.Equal((HttpStatusCode.OK, "ready"), await Get("health"));
        await server.Mailbox.DisposeAsync();
        await server.Database.DisposeAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30)); // it is asked once a second, not by the request
        while ((await Get("health")).Item1 == HttpStatusCode.OK) limit.Token.ThrowIfCancellationRequested();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "database"), await Get("health"));
        server.Lifecycle.Advance(NodeState.Draining);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "draining"), await Get("health/ready"));
        var (status, reasons) = await Get("health?verbose");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        var report = System.Text.Json.JsonSerializer.Deserialize(reasons, HealthJson.Default.HealthReport)!;
        Assert.Equal("draining", report.Fault);
        Assert.Equal([("accepting", false), ("database", false)], report.Checks.Select(c => (c.Name, c.Ok)));
        Assert.Equal((HttpStatusCode.OK, "live"), await Get("health/live"));
    }

    [Fact]
    public async Task The_front_page_says_how_to_connect()
    {
        await using var server = await SmallServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.UserAgent.ParseAdd("Mozilla/5.0 (Linux; Android 16)");
        using var response = await server.Http.SendAsync(request);
        var html = await response.Content.ReadAsStringAsync();
        Assert.Contains("Indaba runs here for localhost", html, StringComparison.Ordinal);
        Assert.Contains("5222 (STARTTLS), 5223 (TLS)", html, StringComparison.Ordinal);
        var first = html.IndexOf("<li>", StringComparison.Ordinal);
        Assert.Contains("Conversations", html[first..html.IndexOf("</li>", first, StringComparison.Ordinal)], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_are_served_to_this_machine_when_wanted_and_not_through_a_proxy()
    {
        await using var server = await SmallServer.StartAsync(o => o with { Http = o.Http with { Metrics = true } });
        Assert.Contains("# TYPE ", await server.Http.GetStringAsync(new Uri("metrics", UriKind.Relative)), StringComparison.Ordinal);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Add("X-Forwarded-For", "192.0.2.7");
        using var response = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Theory]
    [InlineData("10.1.2.3", true)]
    [InlineData("::ffff:10.1.2.3", true)]
    [InlineData("2001:db8::7", true)]
    [InlineData("11.0.0.1", false)]
    [InlineData("127.0.0.1", false)]
    public void Metrics_go_to_the_networks_that_are_named(string address, bool may) =>
        Assert.Equal(may, PrometheusExporter.MayScrape(["10.0.0.0/8", "2001:db8::7"], IPAddress.Parse(address)));
}
