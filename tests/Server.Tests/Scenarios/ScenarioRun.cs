using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>
/// Plays a scenario against a server. Accounts get a suffix of their own for each run, in every address the scenario
/// writes, so that many scenarios share a server without meeting.
/// </summary>
internal sealed partial class ScenarioRun(Scenario scenario, TestServer server, string suffix) : IAsyncDisposable
{
    private readonly Dictionary<string, WireClient> _clients = [];
    private readonly Dictionary<string, string> _captured = [];
    private readonly bool _blocks = scenario.Steps.Exists(s => s.Block.Contains(Ns.Blocking, StringComparison.Ordinal));
    private int _barriers;

    /// <summary>A suffix that no other run has.</summary>
    public static string NewSuffix() => "_" + RandomNumberGenerator.GetHexString(8, lowercase: true);

    /// <summary>The accounts that must exist before <see cref="Play"/>.</summary>
    public static IEnumerable<string> AccountsOf(Scenario scenario, string suffix) => scenario.ExistingAccounts.Select(a => a + suffix);

    /// <summary>Plays all steps.</summary>
    /// <exception cref="WireException">A step failed; the text says which and shows the talk so far.</exception>
    public async Task Play()
    {
        foreach (var a in scenario.Acquaintances) await Contacts.Befriend(server, a.First + suffix, a.Second + suffix, a.Mutual);
        foreach (var step in scenario.Steps)
        {
            try
            {
                await Do(step);
            }
            catch (Exception e) when (e is WireException or FormatException or IOException or InvalidOperationException)
            {
                throw new WireException($"{scenario.Path}:{step.Line}: {step.Text}\n{e.Message}\n{(server.Process is null ? server.Output : "")}");
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients.Values) await client.DisposeAsync();
    }

    private async Task Do(Step step)
    {
        if (step.Text.StartsWith("server ", StringComparison.Ordinal))
        {
            await DoServer(step);
            return;
        }
        var space = step.Text.IndexOf(' ', StringComparison.Ordinal);
        var name = space < 0 ? step.Text : step.Text[..space];
        if (!scenario.Players.TryGetValue(name, out var player)) throw new FormatException($"{name} is not declared");
        var verb = step.Text[(space + 1)..];
        if (!await DoConnection(player, verb, step.Block)) await DoTalk(player, Client(name), verb, step.Block);
    }

    private async Task DoServer(Step step)
    {
        switch (step.Text)
        {
            case "server is killed":
                await server.Kill();
                foreach (var client in _clients.Values) client.Cut();
                break;
            case "server stops":
                await server.Stop();
                break;
            case "server starts":
                await server.Start();
                break;
            default:
                throw new FormatException("the server is killed, stops or starts");
        }
    }

    /// <summary>The steps that make or end a connection.</summary>
    private async Task<bool> DoConnection(Player player, string verb, string block)
    {
        switch (verb)
        {
            case "opens a connection":
                await Hold(player, await WireClient.Dial(server, player.Transport));
                return true;
            case "opens a stream":
                await Hold(player, await WireClient.Connect(server, player.Transport));
                return true;
            case "connects":
                await Hold(player, await WireClient.Connect(server, player.Transport));
                await Client(player.Name).Authenticate(player.Account + suffix, TestServer.Password);
                await Appear(player);
                return true;
            case "authenticates":
                await Client(player.Name).Authenticate(player.Account + suffix, TestServer.Password);
                return true;
            case "binds":
                await Client(player.Name).Bind(player.Resource);
                return true;
            case "upgrades to TLS":
                await Client(player.Name).StartTls();
                return true;
            case "starts a new stream":
                Client(player.Name).Link.Restart();
                await Client(player.Name).Open();
                return true;
            case "sends the stream header":
                await Client(player.Name).Open();
                return true;
            case "resumes" or "tries to resume":
                await Resume(player, mustSucceed: verb == "resumes", block);
                return true;
            case "disconnects":
                await Client(player.Name).Close();
                return true;
            case "is cut":
                Client(player.Name).Cut();
                return true;
            default:
                return false;
        }
    }

    /// <summary>The steps on a connection that stands.</summary>
    private async Task DoTalk(Player player, WireClient client, string verb, string block)
    {
        switch (verb)
        {
            case "sends":
                await client.Send(Substitute(player, block));
                break;
            case "sends raw":
                await client.SendRaw(Encoding.UTF8.GetBytes(Substitute(player, block)));
                break;
            case "is offered":
                foreach (var pattern in Patterns(player, block)) Require(client, pattern, client.Features, block);
                break;
            case "is greeted with":
                foreach (var pattern in Patterns(player, block)) Require(client, pattern, client.Header!, block);
                break;
            case "receives":
                foreach (var pattern in Patterns(player, block)) await Receive(player, client, pattern);
                break;
            case "receives in any order":
                await ReceiveInAnyOrder(player, client, Patterns(player, block));
                break;
            case "eventually receives":
                foreach (var pattern in Patterns(player, block)) await client.Expect(e => pattern.Difference(e) is null, pattern.Text);
                break;
            case "receives nothing":
                await ReceiveNothing(player, client);
                break;
            case "skips what came":
                await AwaitOthers(client);
                client.ClearInbox();
                break;
            case "is acknowledged":
                await client.AwaitAcks();
                break;
            case "acknowledges nothing":
                client.AnswersRequests = false;
                break;
            case "acknowledges":
                client.AnswersRequests = true;
                await client.SendRaw(client.Link.Encode(client.Sm!.Answer()));
                break;
            case "sees the stream end":
                await client.ExpectEnd();
                break;
            default:
                throw new FormatException($"nobody can do this: {verb}");
        }
    }

    private async Task Appear(Player player)
    {
        var client = Client(player.Name);
        await client.Bind(player.Resource);
        if (player.Sm) await client.EnableSm();
        if (player.Carbons)
        {
            var enabled = await client.Request($"<iq type='set'><enable xmlns='{Ns.Carbons}'/></iq>");
            if (enabled["type"] != "result") throw client.Failed($"carbons were refused: {enabled}");
        }
        if (player.Interested) await client.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        if (!player.Silent) await client.Appear(player.Priority);
    }

    private async Task Resume(Player player, bool mustSucceed, string block)
    {
        var earlier = Client(player.Name);
        var client = await WireClient.Connect(server, player.Transport);
        await Hold(player, client);
        await client.Authenticate(player.Account + suffix, TestServer.Password);
        var answer = await client.Resume(earlier);
        if (mustSucceed != (answer.Name == "resumed")) throw client.Failed($"the answer to resume was {answer}");
        foreach (var pattern in Patterns(player, block)) Require(client, pattern, answer, block);
    }

    private async Task Hold(Player player, WireClient client)
    {
        client.Name = player.Name;
        if (_clients.TryGetValue(player.Name, out var earlier)) await earlier.DisposeAsync();
        _clients[player.Name] = client;
    }

    private WireClient Client(string name) => _clients.TryGetValue(name, out var client) ? client : throw new FormatException($"{name} is not connected");

    private static async Task Receive(Player player, WireClient client, PatternWithText pattern)
    {
        // Acks come when the server thinks fit, so one that is asked for may stand behind others.
        if (pattern.Element.Namespace == Ns.StreamManagement && pattern.Element.Name is "r" or "a")
        {
            await client.Expect(e => pattern.Difference(e) is null, pattern.Text);
            return;
        }
        var element = await client.Expect(e => Counts(e, player, [pattern]), pattern.Text);
        Require(client, pattern, element, pattern.Text);
    }

    private static async Task ReceiveInAnyOrder(Player player, WireClient client, IReadOnlyList<PatternWithText> patterns)
    {
        var left = patterns.ToList();
        while (left.Count > 0)
        {
            var element = await client.Expect(e => Counts(e, player, left), left[0].Text);
            var at = left.FindIndex(p => p.Difference(element) is null);
            if (at < 0) throw client.Failed($"{left[0].Difference(element)}\n  got      {element}\n  expected one of\n{string.Join('\n', left.Select(p => p.Text))}");
            left.RemoveAt(at);
        }
    }

    /// <summary>
    /// False for what a step passes over unless it asks for it: acks, presence for players who ignore it, and the
    /// answer to the probe of a contact who is offline, which a server should but need not send (RFC 6121 section 4.3.2).
    /// </summary>
    private static bool Counts(Element e, Player player, IReadOnlyList<PatternWithText> patterns)
    {
        if (e.Namespace == Ns.StreamManagement && e.Name is "r" or "a") return false;
        if (!e.Is("presence", Ns.Client)) return true;
        if (e["type"] == "unavailable" && e["from"]?.Contains('/', StringComparison.Ordinal) != true) return patterns.Any(p => p.Difference(e) is null);
        return !player.IgnoresPresence || patterns.Any(p => p.Element.Name == "presence");
    }

    private static void Require(WireClient client, PatternWithText pattern, Element actual, string expected)
    {
        if (pattern.Difference(actual) is { } difference) throw client.Failed($"{difference}\n  got      {actual}\n  expected {expected}");
    }

    private async Task ReceiveNothing(Player player, WireClient client)
    {
        await AwaitOthers(client);
        var unexpected = client.Inbox.FirstOrDefault(e => Counts(e, player, []));
        if (unexpected is not null) throw client.Failed($"nothing was expected, but this came: {unexpected}");
    }

    /// <summary>
    /// Waits until everything that others sent before has either reached this client or gone elsewhere: each sends
    /// it an iq result last, which a server must deliver to a matching resource (RFC 6121 section 8.5.3.1) and
    /// behind all that the same sender sent before (RFC 6120 section 10.1). Where a scenario blocks contacts that
    /// stanza may be dropped; there many round trips have to do.
    /// </summary>
    private async Task AwaitOthers(WireClient client)
    {
        foreach (var other in _clients.Values.Where(c => c != client && c.Jid.Length > 0 && !c.Ended && c.IsOpen))
        {
            await other.Barrier();
            if (_blocks) continue;
            var id = $"barrier{++_barriers}";
            await other.Send(new Element("iq", Ns.Client).With("type", "result").With("id", id).With("to", client.Jid));
            await client.Expect(e => e.Is("iq", Ns.Client) && e["id"] == id, "the last stanza of another client");
        }
        for (var i = 0; i < (_blocks ? 20 : 1); i++) await client.Barrier();
    }

    private IReadOnlyList<PatternWithText> Patterns(Player player, string block)
    {
        var elements = XmlText.ParseAll(Localise(block));
        return [.. elements.Select(e => new PatternWithText(e, new Pattern(e, token => Resolve(player, token), _captured)))];
    }

    private string Substitute(Player player, string text) => Pattern.Token().Replace(Localise(text), match =>
    {
        var token = match.Groups[1].Value;
        var value = token[0] == '$' ? _captured.GetValueOrDefault(token[1..]) : Resolve(player, token);
        return XmlText.Escape(value ?? throw new FormatException($"{match.Value} means nothing"));
    });

    /// <summary>Gives the accounts of the scenario their suffix wherever an address stands.</summary>
    private string Localise(string text)
    {
        foreach (var account in scenario.Accounts) text = Regex.Replace(text, $@"\b{account}@", $"{account}{suffix}@", RegexOptions.CultureInvariant);
        return text;
    }

    private string? Resolve(Player player, string token)
    {
        if (_clients.TryGetValue(token, out var client)) return client.Jid;
        if (scenario.Accounts.Contains(token)) return token + suffix;
        if (Counter().Match(token) is { Success: true } counter)
        {
            var sm = Client(player.Name).Sm ?? throw new FormatException($"{player.Name} has no stream management");
            var offset = counter.Groups[2].Success ? int.Parse(counter.Groups[2].Value, CultureInfo.InvariantCulture) : 0;
            return ((counter.Groups[1].Value == "sent" ? sm.Sent : sm.Received) + offset).ToString(CultureInfo.InvariantCulture);
        }
        return token.Split(':') switch
        {
            ["smid"] => Client(player.Name).Sm?.Id,
            ["smid", var other] => Client(other).Sm?.Id,
            ["received", var other] => Client(other).Sm?.Received.ToString(CultureInfo.InvariantCulture),
            ["plain", var account] => SaslClient.Plain(account + suffix, TestServer.Password),
            ["plain", var account, var password] => SaslClient.Plain(account + suffix, password),
            ["plain", var account, var password, var authzid] => SaslClient.Plain(account + suffix, password, Localise(authzid)),
            ["scram", var account] => Convert.ToBase64String(Encoding.UTF8.GetBytes($"n,,n={account}{suffix},r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6")),
            ["base64", var text] => Convert.ToBase64String(Encoding.UTF8.GetBytes(text)),
            ["repeat", var count, var text] => string.Concat(Enumerable.Repeat(text, int.Parse(count, CultureInfo.InvariantCulture))),
            _ => null,
        };
    }

    [GeneratedRegex(@"^(sent|received)([+-]\d+)?$")]
    private static partial Regex Counter();

    private sealed record PatternWithText(Element Element, Pattern Pattern)
    {
        public string Text => Element.ToString();
        public string? Difference(Element actual) => Pattern.Difference(actual);
    }
}
