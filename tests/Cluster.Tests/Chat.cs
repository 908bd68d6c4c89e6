using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Cluster.Tests;

/// <summary>Steps that many tests take.</summary>
internal static class Chat
{
    /// <summary>Logs in at a node and appears.</summary>
    public static async Task<WireClient> Appear(RunningCluster cluster, int node, string account, string resource, bool carbons = false)
    {
        var client = await WireClient.Login(cluster.Node(node), account, resource);
        if (carbons) await client.Request($"<iq type='set'><enable xmlns='{Ns.Carbons}'/></iq>");
        await client.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        await client.Appear();
        return client;
    }

    /// <summary>Sends a chat message with a body, an id and an origin-id.</summary>
    public static Task Say(this WireClient from, string to, string text, string? more = null) =>
        from.Send($"<message xmlns='jabber:client' to='{to}' type='chat' id='{Id(text)}'><body>{text}</body><origin-id xmlns='{Ns.StanzaIds}' id='{Id(text)}'/>{more}</message>");

    /// <summary>Waits for a chat message with this body.</summary>
    public static Task<Element> Hear(this WireClient client, string text) =>
        client.Expect(e => e.Is("message", Ns.Client) && e.ChildText("body", Ns.Client) == text, $"the message \"{text}\"");

    /// <summary>The bodies of all messages that were read and not asked for yet, and of those that come before the answer to a ping.</summary>
    public static async Task<List<string>> HearAll(this WireClient client)
    {
        await client.Barrier();
        List<string> bodies = [.. client.Inbox.Where(e => e.Is("message", Ns.Client)).Select(e => e.ChildText("body", Ns.Client)).OfType<string>()];
        client.ClearInbox();
        return bodies;
    }

    /// <summary>Subscribes one to the other (RFC 6121 section 3.1); both have appeared.</summary>
    public static async Task Subscribe(WireClient from, WireClient to)
    {
        await from.Send($"<presence xmlns='jabber:client' type='subscribe' to='{to.BareJid}'/>");
        await to.Expect(e => e.Is("presence", Ns.Client) && e["type"] == "subscribe" && e["from"] == from.BareJid, "the request");
        await to.Send($"<presence xmlns='jabber:client' type='subscribed' to='{from.BareJid}'/>");
        await from.Expect(e => e.Is("presence", Ns.Client) && e["type"] == "subscribed" && e["from"] == to.BareJid, "the approval");
        await from.Expect(e => e.Is("presence", Ns.Client) && e["type"] is null && e["from"] == to.Jid, "the presence");
        await to.Barrier();
    }

    /// <summary>The id of a message with this text.</summary>
    public static string Id(string text) => "id-" + text.Replace(' ', '-');

    /// <summary>All bodies in the account's archive, oldest first.</summary>
    public static async Task<List<string>> Archive(WireClient client)
    {
        var bodies = new List<string>();
        string? after = null;
        while (true)
        {
            var query = client.NewId();
            var set = new Element("set", Ns.Rsm).Add("max", Ns.Rsm, "100");
            if (after is not null) set.Add("after", Ns.Rsm, after);
            await client.Request(new Element("iq", Ns.Client).With("type", "set").Add(new Element("query", Ns.Mam).With("queryid", query).Add(set)));
            var results = client.Inbox.Select(e => e.Child("result", Ns.Mam)).Where(r => r?["queryid"] == query).ToList();
            client.ClearInbox();
            if (results.Count == 0) return bodies;
            after = results[^1]!["id"];
            bodies.AddRange(results.Select(r => r!.Child("forwarded", Ns.Forward)?.Child("message", Ns.Client)?.ChildText("body", Ns.Client)).OfType<string>());
        }
    }
}
