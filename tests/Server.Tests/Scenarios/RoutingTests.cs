using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>The table of RFC 6121 section 8.5, cell by cell: what becomes of each stanza to each kind of address.</summary>
public sealed class RoutingTests(ScenarioServer scenarios)
{
    private const string CellId = "cell";

    /// <summary>All cells.</summary>
    public static IEnumerable<TheoryDataRow<Kind, Target>> Cells =>
        from kind in Enum.GetValues<Kind>()
        from target in Enum.GetValues<Target>()
        select new TheoryDataRow<Kind, Target>(kind, target) { TestDisplayName = $"RFC 6121 8.5: {Words(kind)} to {Words(target)}" };

    [Theory]
    [MemberData(nameof(Cells))]
    public async Task Stanza_goes_where_the_table_says(Kind kind, Target target)
    {
        var server = await scenarios.Shared;
        var absent = target is Target.BareAbsent or Target.FullAbsent;
        var sender = await Accounts.New(server);
        var receiver = absent ? "nobody" + ScenarioRun.NewSuffix() : await Accounts.New(server);
        var romeo = await WireClient.Login(server, sender, "r");
        await using var _ = romeo;
        await romeo.Appear();
        var resources = new List<WireClient>();
        try
        {
            foreach (var (resource, priority) in RoutingRules.Resources(target))
            {
                resources.Add(await WireClient.Login(server, receiver, resource));
                if (priority is not null) await resources[^1].Appear(priority);
            }
            foreach (var r in resources)
            {
                await r.Barrier();
                r.ClearInbox();
            }
            var to = $"{receiver}@{server.Domain}{(RoutingRules.AddressedResource(target) is { } a ? "/" + a : "")}";
            await romeo.Send(Stanza(kind, to));
            var outcome = await Observe(romeo, resources, kind);
            if (outcome == "ignore" && !absent) outcome = await ComesLater(server, receiver, romeo) ? "store" : "ignore";
            Assert.Contains(outcome, RoutingRules.Allowed(kind, target));
        }
        finally
        {
            foreach (var r in resources) await r.DisposeAsync();
        }
    }

    private static Element Stanza(Kind kind, string to)
    {
        var (name, type) = NameAndType(kind);
        var stanza = new Element(name, Ns.Client).With("type", type).With("to", to).With("id", CellId);
        if (type == "error") stanza.Add(new Element("error", Ns.Client).With("type", "cancel").Add("item-not-found", Ns.StanzaErrors));
        else if (name == "message") stanza.Add("body", Ns.Client, "Wherefore art thou?");
        else if (name == "iq" && type != "result") stanza.Add("query", "urn:example:unheard-of");
        return stanza;
    }

    /// <summary>What the sender and the resources got, in the words of <see cref="RoutingRules"/>.</summary>
    private static async Task<string> Observe(WireClient sender, List<WireClient> resources, Kind kind)
    {
        await sender.Barrier();
        foreach (var resource in resources)
        {
            // Behind all that the sender sent before: a result is delivered to whoever is connected (8.5.3.1).
            await sender.Send(new Element("iq", Ns.Client).With("type", "result").With("id", "last").With("to", resource.Jid));
            await resource.Expect(e => e["id"] == "last", "the last stanza");
        }
        await sender.Barrier();
        var delivered = resources.Where(r => r.Inbox.Any(e => IsCell(e, sender, kind))).Select(r => r.Jid.Split('/')[1]).ToArray();
        // Not the own presence; nor "unavailable", by which a server may say that a subscription request has arrived.
        var back = sender.Inbox.FirstOrDefault(e => !e.Is("presence", Ns.Client) || (e["from"] != sender.Jid && e["type"] != "unavailable"));
        if (delivered.Length > 0) return back is null ? $"deliver:{string.Join(',', delivered)}" : $"deliver:{string.Join(',', delivered)} and {back}";
        if (back is null) return "ignore";
        if (back["type"] != "error") return $"reply:{back["type"]}";
        var condition = back.Child("error", Ns.Client)?.ChildOf(Ns.StanzaErrors)?.Name;
        return condition == "service-unavailable" ? "error" : $"error:{condition}";
    }

    private static bool IsCell(Element e, WireClient sender, Kind kind)
    {
        var (name, type) = NameAndType(kind);
        return e.Is(name, Ns.Client) && e["type"] == type && e["from"]?.Split('/')[0] == sender.BareJid;
    }

    /// <summary>True when the stanza comes with the next login.</summary>
    private static async Task<bool> ComesLater(TestServer server, string receiver, WireClient sender)
    {
        await using var late = await WireClient.Login(server, receiver, "late");
        await late.Appear();
        await late.Barrier();
        return late.Inbox.Any(e => e["from"]?.Split('/')[0] == sender.BareJid);
    }

    private static (string Name, string? Type) NameAndType(Kind kind)
    {
        var words = Words(kind).Split(' ');
        return (words[0], words[1] is "normal" or "available" ? null : words[1]);
    }

    /// <summary>MessageChat: "message chat".</summary>
    private static string Words(Enum value) => Kebab.Of(value).Replace('-', ' ');
}
