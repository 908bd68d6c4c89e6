using System.Net.Http.Json;
using System.Text.Json;
using System.Xml.Linq;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>What needs arithmetic, and so cannot be written as a scenario: SCRAM, channel binding, tokens (XEP-0484).</summary>
public sealed class AuthenticationTests(ScenarioServer scenarios)
{
    [Theory]
    [InlineData("SCRAM-SHA-1", Transport.Plain)]
    [InlineData("SCRAM-SHA-256", Transport.StartTls)]
    [InlineData("SCRAM-SHA-512", Transport.WebSocket)]
    [InlineData("SCRAM-SHA-1-PLUS", Transport.StartTls)]
    [InlineData("SCRAM-SHA-256-PLUS", Transport.DirectTls)]
    [InlineData("SCRAM-SHA-512-PLUS", Transport.DirectTls)]
    [InlineData("PLAIN", Transport.DirectTls)]
    public async Task A_mechanism_is_offered_and_works_by_SASL_and_SASL2(string mechanism, Transport transport)
    {
        var (server, account) = await NewAccount();
        await using var first = await WireClient.Connect(server, transport);
        Assert.Contains(mechanism, Mechanisms(first.Features.Child("mechanisms", Ns.Sasl)));
        await first.Authenticate(account, TestServer.Password, mechanism);
        await first.Bind(null);

        await using var second = await WireClient.Connect(server, transport);
        Assert.Contains(mechanism, Mechanisms(second.Features.Child("authentication", Ns.Sasl2)));
        var success = await second.Authenticate2(account, TestServer.Password, mechanism);
        Assert.Equal("success", success.Name);
        Assert.Equal($"{account}@{server.Domain}", success.ChildText("authorization-identifier", Ns.Sasl2));
    }

    [Theory]
    [InlineData("SCRAM-SHA-1")]
    [InlineData("SCRAM-SHA-256")]
    [InlineData("SCRAM-SHA-512")]
    public async Task A_wrong_password_is_refused_after_the_proof(string mechanism)
    {
        var (server, account) = await NewAccount();
        await using var client = await WireClient.Connect(server);
        var failure = await client.TryAuthenticate(account, "not-the-password", mechanism);
        Assert.NotNull(failure.Child("not-authorized", Ns.Sasl));
    }

    [Fact]
    public async Task An_unknown_account_is_asked_for_proof_like_a_known_one_with_the_same_salt_each_time()
    {
        var (server, _) = await NewAccount();
        var unknown = "nobody" + ScenarioRun.NewSuffix();
        var salts = new List<string>();
        for (var i = 0; i < 2; i++)
        {
            await using var client = await WireClient.Connect(server);
            await client.Send(new Element("auth", Ns.Sasl).With("mechanism", "SCRAM-SHA-256").AddText(Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"n,,n={unknown},r=nonce-of-the-client"))));
            var challenge = await client.Expect(e => e.Namespace == Ns.Sasl, "the challenge");
            Assert.Equal("challenge", challenge.Name);
            salts.Add(System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(challenge.Text)).Split(',')[1]);
        }
        Assert.Equal(salts[0], salts[1]);
    }

    [Fact]
    public async Task Plain_text_passwords_are_not_taken_without_TLS()
    {
        var (server, account) = await NewAccount();
        await using var client = await WireClient.Connect(server);
        Assert.DoesNotContain("PLAIN", Mechanisms(client.Features.Child("mechanisms", Ns.Sasl)));
        Assert.NotEqual("success", (await client.TryAuthenticate(account, TestServer.Password, "PLAIN")).Name);
    }

    [Theory]
    [InlineData("HT-SHA-256-NONE")]
    [InlineData("HT-SHA-256-ENDP")]
    public async Task A_token_logs_its_device_in(string mechanism)
    {
        var (server, account) = await NewAccount();
        var device = Guid.NewGuid();
        var token = await RequestToken(server, account, device, mechanism);
        for (var i = 0; i < 2; i++)
        {
            await using var client = await WireClient.Connect(server, Transport.DirectTls);
            var success = await client.Authenticate2(account, token, mechanism, device, Fast(), new Element("bind", Ns.Bind2).Add("tag", Ns.Bind2, "wire"));
            Assert.Equal("success", success.Name);
            Assert.StartsWith($"{account}@{server.Domain}/wire", client.Jid, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_token_is_good_for_its_mechanism_its_device_and_its_account_only()
    {
        var (server, account) = await NewAccount();
        var (_, other) = await NewAccount();
        var device = Guid.NewGuid();
        var token = await RequestToken(server, account, device, "HT-SHA-256-ENDP");
        Assert.Equal("failure", await Outcome(server, account, token, "HT-SHA-256-NONE", device));
        Assert.Equal("failure", await Outcome(server, account, token, "HT-SHA-256-ENDP", Guid.NewGuid()));
        Assert.Equal("failure", await Outcome(server, other, token, "HT-SHA-256-ENDP", device));
        Assert.Equal("failure", await Outcome(server, account, token + "x", "HT-SHA-256-ENDP", device));
        Assert.Equal("success", await Outcome(server, account, token, "HT-SHA-256-ENDP", device));
    }

    [Fact]
    public async Task A_token_is_given_back()
    {
        var (server, account) = await NewAccount();
        var device = Guid.NewGuid();
        var token = await RequestToken(server, account, device, "HT-SHA-256-NONE");
        await using (var client = await WireClient.Connect(server, Transport.DirectTls))
        {
            var success = await client.Authenticate2(account, token, "HT-SHA-256-NONE", device, Fast().With("invalidate", "true"));
            Assert.Equal("success", success.Name);
            Assert.Null(success.Child("token", Ns.Fast));
        }
        Assert.Equal("failure", await Outcome(server, account, token, "HT-SHA-256-NONE", device));
    }

    [Fact]
    public async Task A_new_password_ends_all_tokens()
    {
        var (server, account) = await NewAccount();
        if (server is not ServerProcess indaba) return;
        var device = Guid.NewGuid();
        var token = await RequestToken(server, account, device, "HT-SHA-256-NONE");
        await indaba.Command("user", "passwd", account, "--password", "another-password");
        Assert.Equal("failure", await Outcome(server, account, token, "HT-SHA-256-NONE", device));
    }

    [Fact]
    public async Task A_returning_device_resumes_in_one_round_trip()
    {
        var (server, account) = await NewAccount();
        var device = Guid.NewGuid();
        await using var first = await WireClient.Connect(server, Transport.DirectTls);
        var success = await first.Authenticate2(account, TestServer.Password, null, device,
            new Element("request-token", Ns.Fast).With("mechanism", "HT-SHA-256-NONE"),
            new Element("bind", Ns.Bind2).Add(new Element("enable", Ns.StreamManagement).With("resume", "true")));
        first.Sm = new SmState { Id = success.Child("bound", Ns.Bind2)?.Child("enabled", Ns.StreamManagement)?["id"] };
        var token = success.Child("token", Ns.Fast)!["token"]!;
        first.Cut();

        await using var second = await WireClient.Connect(server, Transport.DirectTls);
        var resumed = await second.Authenticate2(account, token, "HT-SHA-256-NONE", device, Fast(),
            new Element("resume", Ns.StreamManagement).With("previd", first.Sm.Id).With("h", "0"));
        Assert.NotNull(resumed.Child("resumed", Ns.StreamManagement));
        second.Jid = first.Jid;
        await second.ExpectNothing();
    }

    [Fact]
    public async Task Host_meta_names_the_WebSocket()
    {
        // XEP-0156 section 2.3, examples 1 and 2
        var server = await scenarios.Shared;
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{server.HttpPort}/") };
        var xrd = XDocument.Parse(await http.GetStringAsync(new Uri(".well-known/host-meta", UriKind.Relative), TestContext.Current.CancellationToken));
        var links = xrd.Root!.Elements(XName.Get("Link", Ns.HostMetaXrd)).Where(l => l.Attribute("rel")?.Value == "urn:xmpp:alt-connections:websocket").ToList();
        var link = Assert.Single(links);
        Assert.EndsWith(server.WebSocketUrl.AbsolutePath, link.Attribute("href")!.Value, StringComparison.Ordinal);
        var json = await http.GetFromJsonAsync<JsonElement>(new Uri(".well-known/host-meta.json", UriKind.Relative), TestContext.Current.CancellationToken);
        var jsonLink = Assert.Single(json.GetProperty("links").EnumerateArray(), l => l.GetProperty("rel").GetString() == "urn:xmpp:alt-connections:websocket");
        Assert.Equal(link.Attribute("href")!.Value, jsonLink.GetProperty("href").GetString());
    }

    [Fact]
    public async Task The_WebSocket_speaks_the_subprotocol_xmpp()
    {
        await using var client = await WireClient.Dial(await scenarios.Shared, Transport.WebSocket);
        Assert.Equal("xmpp", ((WebSocketLink)client.Link).SubProtocol);
    }

    [Fact]
    public async Task Direct_TLS_agrees_on_xmpp_client()
    {
        // XEP-0368 section 3: by ALPN
        await using var client = await WireClient.Connect(await scenarios.Shared, Transport.DirectTls);
        Assert.Equal("xmpp-client", ((TcpLink)client.Link).Tls!.NegotiatedApplicationProtocol.ToString());
    }

    private static Element Fast() => new("fast", Ns.Fast);

    private static IEnumerable<string> Mechanisms(Element? feature) => feature?.Elements.Where(e => e.Name == "mechanism").Select(e => e.Text) ?? [];

    private static async Task<string> RequestToken(TestServer server, string account, Guid device, string mechanism)
    {
        await using var client = await WireClient.Connect(server, Transport.DirectTls);
        var success = await client.Authenticate2(account, TestServer.Password, null, device, new Element("request-token", Ns.Fast).With("mechanism", mechanism));
        return success.Child("token", Ns.Fast)?["token"] ?? throw new WireException($"no token: {success}");
    }

    private static async Task<string> Outcome(TestServer server, string account, string token, string mechanism, Guid device)
    {
        await using var client = await WireClient.Connect(server, Transport.DirectTls);
        return (await client.Authenticate2(account, token, mechanism, device, Fast())).Name;
    }

    private async Task<(TestServer Server, string Account)> NewAccount()
    {
        var server = await scenarios.Shared;
        return (server, await Accounts.New(server));
    }
}
