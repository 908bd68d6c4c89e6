using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>XEP-0313 beyond the scenarios: what is refused, what is bounded.</summary>
public sealed class ArchiveTests(NodeServer server) : IClassFixture<NodeServer>
{
    [Fact]
    public async Task A_field_that_is_not_known_is_not_implemented()
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        Assert.Equal("feature-not-implemented", await Refusal(client, Field("FORM_TYPE", Ns.Mam), Field("{http://example.org/}text", "Juliet")));
        Assert.Equal("feature-not-implemented", await Refusal(client, Field("FORM_TYPE", Ns.Mam), Field("nothing", "")));
    }

    [Fact]
    public async Task What_a_form_cannot_say_is_refused()
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        Assert.Equal("bad-request", await Refusal(client, Field("with", "juliet@localhost"))); // no FORM_TYPE
        Assert.Equal("bad-request", await Refusal(client, Field("FORM_TYPE", "urn:xmpp:mam:1")));
        Assert.Equal("bad-request", await Refusal(client, Field("FORM_TYPE", Ns.Mam), Field("with", "@@")));
        Assert.Equal("bad-request", await Refusal(client, Field("FORM_TYPE", Ns.Mam), Field("start", "yesterday")));
        Assert.Equal("bad-request", await Refusal(client, Field("FORM_TYPE", Ns.Mam), Field("end", "2010-07-10T23:08:25"))); // no zone
        Assert.Equal("bad-request", await Refusal(client, Field("FORM_TYPE", Ns.Mam), Field("start", "2010-07-10T23:08:25Z", "2010-07-10T23:08:25Z")));
        Assert.Equal("bad-request", await Refusal(client, Field("FORM_TYPE", Ns.Mam), Field("with", "a@b"), Field("with", "c@d")));
        Assert.Equal("policy-violation", await Refusal(client, Field("FORM_TYPE", Ns.Mam), Field("ids", [.. Enumerable.Range(0, 251).Select(i => $"aaaaaaaa{i}")])));
    }

    [Theory]
    [InlineData("<max>many</max>", "bad-request")]
    [InlineData("<max>-1</max>", "bad-request")]
    [InlineData("<max/>", "bad-request")]
    [InlineData("<max>10</max><index>3</index>", "feature-not-implemented")]
    [InlineData("<after>zzzzzzzz1</after>", "item-not-found")]
    [InlineData("<before>zzzzzzzz1</before>", "item-not-found")]
    public async Task A_page_that_is_none_is_refused(string set, string condition)
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        var answer = await client.Request($"<iq type='set'><query xmlns='{Ns.Mam}'><set xmlns='{Ns.Rsm}'>{set}</set></query></iq>");
        Assert.Equal(condition, ConditionOf(answer));
    }

    [Fact]
    public async Task A_query_id_comes_back_and_cannot_be_long()
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        await client.Send($"<message to='{client.BareJid}' type='chat' id='s1'><body>note</body></message>");
        await client.Expect(e => e["id"] == "s1", "the note");
        var (results, _) = await Query(client, queryId: "<f & '27'>");
        Assert.Equal("<f & '27'>", results.Single().Child("result", Ns.Mam)!["queryid"]);
        var answer = await client.Request($"<iq type='set'><query xmlns='{Ns.Mam}' queryid='{new string('q', 257)}'/></iq>");
        Assert.Equal("bad-request", ConditionOf(answer));
    }

    [Fact]
    public async Task Ids_of_another_account_and_of_what_is_not_archived_are_not_found()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var r = await server.Login(romeo, "orchard");
        await using var j = await server.Login(juliet, "chamber");
        await j.Send($"<message to='{r.BareJid}' type='chat' id='m1'><body>kept</body></message>");
        var kept = StanzaId(await Message(r), r.BareJid);
        await j.Send($"<message to='{r.BareJid}' type='chat' id='m2'><body>not kept</body><no-permanent-store xmlns='{Ns.Hints}'/></message>");
        var passing = StanzaId(await Message(r), r.BareJid);
        Assert.Equal("item-not-found", await Refusal(j, Field("FORM_TYPE", Ns.Mam), Field("ids", kept)));
        Assert.Equal("item-not-found", await Refusal(r, Field("FORM_TYPE", Ns.Mam), Field("ids", kept, passing)));
        Assert.Equal("item-not-found", await Refusal(r, Field("FORM_TYPE", Ns.Mam), Field("after-id", passing)));
        var (results, _) = await Query(r, Field("ids", kept));
        Assert.Equal(kept, results.Single().Child("result", Ns.Mam)!["id"]);
    }

    [Fact]
    public async Task The_archive_of_another_is_forbidden()
    {
        var juliet = await server.AddAccount("juliet");
        await using var r = await server.Login(await server.AddAccount("romeo"), "orchard");
        foreach (var request in new[] { $"<iq type='set' to='{juliet.Local}@localhost'><query xmlns='{Ns.Mam}'/></iq>", $"<iq type='get' to='{juliet.Local}@localhost'><metadata xmlns='{Ns.Mam}'/></iq>" })
        {
            var answer = await r.Request(request);
            Assert.Equal("forbidden", ConditionOf(answer));
            Assert.DoesNotContain(r.Inbox, e => e.Name == "message");
        }
    }

    [Fact]
    public async Task A_page_costs_the_session_no_more_than_it_may_hold()
    {
        var romeo = await server.AddAccount("romeo");
        await using var client = await server.Login(romeo, "orchard");
        const int Count = 40;
        var body = new string('x', 40_000);
        for (var i = 0; i < Count; i++)
        {
            await client.Send($"<message to='{client.BareJid}' type='chat' id='big{i}'><body>{body}</body></message>");
            await client.Expect(e => e["id"] == $"big{i}", "the note");
        }
        foreach (var backwards in new[] { false, true })
        {
            var seen = new List<string>();
            string? from = null;
            for (var pages = 0; pages < Count; pages++)
            {
                var set = backwards ? $"<before>{from}</before>" : from is null ? "" : $"<after>{from}</after>";
                var (results, fin) = await Query(client, set: set);
                Assert.InRange(results.Sum(r => r.ToString().Length), 1, server.Node.Options.Limits.OutboundBytes * 3 / 4); // half, and what goes around each
                var ids = results.Select(r => r.Child("result", Ns.Mam)!.Child("forwarded", Ns.Forward)!.Child("message", Ns.Client)!["id"]!).ToArray();
                if (backwards) seen.InsertRange(0, ids);
                else seen.AddRange(ids);
                if (fin["complete"] == "true") break;
                from = fin.Child("set", Ns.Rsm)!.ChildText(backwards ? "first" : "last", Ns.Rsm);
            }
            Assert.Equal(Enumerable.Range(0, Count).Select(i => $"big{i}"), seen);
        }
    }

    [Fact]
    public async Task Only_the_count_is_given_for_a_page_of_nothing()
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        var (none, empty) = await Query(client, set: "<max>0</max>");
        Assert.Empty(none);
        Assert.Equal("true", empty["complete"]);
        for (var i = 0; i < 3; i++)
        {
            await client.Send($"<message to='{client.BareJid}' type='chat' id='c{i}'><body>note</body></message>");
            await client.Expect(e => e["id"] == $"c{i}", "the note");
        }
        var (results, fin) = await Query(client, set: "<max>0</max>");
        Assert.Empty(results);
        Assert.Null(fin["complete"]);
        Assert.Equal("3", fin.Child("set", Ns.Rsm)!.ChildText("count", Ns.Rsm));
        Assert.Null(fin.Child("set", Ns.Rsm)!.Child("first", Ns.Rsm));
    }

    // --- for these tests and the others of the archive ---

    /// <summary>A query: the results as they came, and the fin.</summary>
    internal static async Task<(IReadOnlyList<Element> Results, Element Fin)> Query(WireClient client, Element? field = null, string set = "", string? queryId = null, bool flip = false)
    {
        var answer = await Send(client, field is null ? [] : [Field("FORM_TYPE", Ns.Mam), field], set, queryId, flip);
        return (answer.Results, answer.Iq.Child("fin", Ns.Mam) ?? throw client.Failed($"no fin: {answer.Iq}"));
    }

    internal static async Task<(IReadOnlyList<Element> Results, Element Iq)> Send(WireClient client, IReadOnlyList<Element> fields, string set, string? queryId = null, bool flip = false)
    {
        var query = new Element("query", Ns.Mam).With("queryid", queryId);
        if (fields.Count > 0)
        {
            var form = new Element("x", Ns.DataForms).With("type", "submit");
            foreach (var field in fields) form.Add(field);
            query.Add(form);
        }
        if (set.Length > 0) query.Add(XmlText.Parse($"<set xmlns='{Ns.Rsm}'>{set}</set>"));
        if (flip) query.Add("flip-page", Ns.Mam);
        var iq = new Element("iq", Ns.Client).With("type", "set").With("id", client.NewId()).Add(query);
        await client.Send(iq);
        var results = new List<Element>();
        while (true)
        {
            var next = await client.Expect(e => e["id"] == iq["id"] || e.Child("result", Ns.Mam) is not null, "a result or the end");
            if (next.Name == "iq") return (results, next);
            results.Add(next);
        }
    }

    internal static Element Field(string name, params ReadOnlySpan<string> values) => DataForm.Field(name, "text-single", null, values);

    internal static Task<Element> Message(WireClient client) => client.Expect(e => e.Name == "message", "a message");

    internal static string StanzaId(Element message, string by) => message.Children("stanza-id", Ns.StanzaIds).Single(e => e["by"] == by)["id"]!;

    internal static string? ConditionOf(Element answer) => answer.Child("error", Ns.Client)?.ChildOf(Ns.StanzaErrors)?.Name;

    private static async Task<string?> Refusal(WireClient client, params Element[] fields) => ConditionOf((await Send(client, fields, "")).Iq);
}
