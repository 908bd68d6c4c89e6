using System.Collections.Concurrent;
using System.Text;
using Indaba.Xmpp;
using Indaba.Xmpp.Sasl;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Wire;

/// <summary>Authentication on a <see cref="WireClient"/>: SASL (RFC 6120 section 6) and SASL2 (XEP-0388).</summary>
internal static class SaslClient
{
    // Hashing a password takes a test client longer than all the rest of a login.
    private static readonly ConcurrentDictionary<string, byte[]> Salted = new();

    /// <summary>Authenticates and opens the next stream.</summary>
    /// <exception cref="WireException">The server refused.</exception>
    public static async Task Authenticate(this WireClient client, string account, string password, string? mechanism = null)
    {
        var outcome = await client.TryAuthenticate(account, password, mechanism);
        if (outcome.Name != "success") throw client.Failed($"authentication was refused: {outcome}");
        client.Link.Restart();
        await client.Open();
    }

    /// <summary>Authenticates as far as <c>&lt;success/&gt;</c> or <c>&lt;failure/&gt;</c>, which it returns. Where none is named it takes the one that costs least.</summary>
    public static async Task<Element> TryAuthenticate(this WireClient client, string account, string password, string? mechanism = null)
    {
        mechanism ??= Offered(client.Features.Child("mechanisms", Ns.Sasl), Ns.Sasl);
        var exchange = Exchange.Start(client, mechanism, account, password);
        await client.Send(new Element("auth", Ns.Sasl).With("mechanism", mechanism).AddText(exchange.First));
        while (true)
        {
            var answer = await client.Expect(e => e.Namespace == Ns.Sasl, "the next step of authentication");
            if (answer.Name != "challenge")
            {
                if (answer.Name == "success") exchange.Verify(client, answer.Text);
                return answer;
            }
            await client.Send(new Element("response", Ns.Sasl).AddText(exchange.Respond(answer.Text)));
        }
    }

    /// <summary>
    /// Authenticates by SASL2 with inline requests, as far as <c>&lt;success/&gt;</c> or <c>&lt;failure/&gt;</c>. After success the
    /// new features are read, unless a stream was resumed.
    /// </summary>
    /// <param name="client">The client, whose stream is open.</param>
    /// <param name="account">The account.</param>
    /// <param name="password">The password, or the token of an HT mechanism.</param>
    /// <param name="mechanism">The mechanism; null for PLAIN where it is offered.</param>
    /// <param name="userAgent">The stable id of the client's installation.</param>
    /// <param name="inline">What else is asked for in the same breath.</param>
    public static async Task<Element> Authenticate2(this WireClient client, string account, string password, string? mechanism = null, Guid? userAgent = null, params IReadOnlyList<Element> inline)
    {
        mechanism ??= Offered(client.Features.Child("authentication", Ns.Sasl2), Ns.Sasl2);
        var exchange = Exchange.Start(client, mechanism, account, password);
        var request = new Element("authenticate", Ns.Sasl2).With("mechanism", mechanism).Add("initial-response", Ns.Sasl2, exchange.First);
        if (userAgent is { } id) request.Add(new Element("user-agent", Ns.Sasl2).With("id", id.ToString()).Add("software", Ns.Sasl2, "wire"));
        foreach (var element in inline) request.Add(element);
        await client.Send(request);
        while (true)
        {
            var answer = await client.Expect(e => e.Namespace == Ns.Sasl2, "the next step of authentication");
            if (answer.Name == "challenge")
            {
                await client.Send(new Element("response", Ns.Sasl2).AddText(exchange.Respond(answer.Text)));
                continue;
            }
            if (answer.Name == "success")
            {
                if (answer.ChildText("additional-data", Ns.Sasl2) is { } data) exchange.Verify(client, data);
                // No features follow a resumption (XEP-0198 section 9.2).
                if (answer.Child("resumed", Ns.StreamManagement) is null) await client.ReadFeatures();
            }
            return answer;
        }
    }

    /// <summary>The initial response of PLAIN (RFC 4616), in base 64.</summary>
    public static string Plain(string account, string password, string authzid = "") => Convert.ToBase64String(Encoding.UTF8.GetBytes($"{authzid}\0{account}\0{password}"));

    private static string Offered(Element? mechanisms, string ns)
    {
        var names = mechanisms?.Children("mechanism", ns).Select(m => m.Text).ToList() ?? [];
        if (names.Contains("PLAIN")) return "PLAIN";
        return names.Find(n => n == "SCRAM-SHA-1") ?? names.Find(n => n is "SCRAM-SHA-256" or "SCRAM-SHA-512") ?? throw new WireException($"no mechanism for this client: {string.Join(' ', names)}");
    }

    /// <summary>One exchange of any mechanism that tests use.</summary>
    private sealed record Exchange(string First, ScramClient? Scram, string Key)
    {
        public static Exchange Start(WireClient client, string mechanism, string account, string password)
        {
            if (mechanism == "PLAIN") return new Exchange(Plain(account, password), null, "");
            if (HashedTokenMechanism.TryParse(mechanism, out var token)) return new Exchange(Convert.ToBase64String(token.Initiate(account, password, Bindings(client))), null, "");
            if (!ScramHashes.TryMechanism(mechanism, out var hash, out var plus)) throw new FormatException($"{mechanism} is unknown here");
            (string, byte[])? binding = plus ? (ChannelBindings.EndPointType, Bindings(client).Get(ChannelBindings.EndPointType) ?? throw new WireException("no channel to bind to")) : null;
            var scram = new ScramClient(hash, account, password, binding);
            return new Exchange(Convert.ToBase64String(scram.First()), scram, $"{hash} {password}");
        }

        public string Respond(string challenge)
        {
            var text = Convert.FromBase64String(challenge);
            var parts = Encoding.UTF8.GetString(text).Split(',');
            var key = $"{Key} {string.Join(',', parts.Skip(1))}"; // salt and iterations
            if (Salted.TryGetValue(key, out var salted)) Scram!.SaltedPassword = salted;
            var response = Convert.ToBase64String(Scram!.Respond(text));
            Salted[key] = Scram.SaltedPassword!;
            return response;
        }

        public void Verify(WireClient client, string data)
        {
            if (Scram is not null && !Scram.Verify(Convert.FromBase64String(data))) throw client.Failed("the server does not know the password");
        }

        private static ChannelBindings Bindings(WireClient client) => client.Link is TcpLink { ServerCertificate: { } certificate } ? new ChannelBindings(ChannelBindings.ServerEndPoint(certificate)) : ChannelBindings.None;
    }
}
