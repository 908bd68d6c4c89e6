using Indaba.Server.Storage;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>XEP-0441.</summary>
public sealed class ArchivePreferencesTests(NodeServer server) : IClassFixture<NodeServer>
{
    [Fact]
    public async Task Preferences_are_always_at_first_and_come_back_as_set()
    {
        await using var client = await server.Login(await server.AddAccount("juliet"), "chamber");
        Assert.Equal("<prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never/></prefs>", (await Get(client)).ToString());
        const string Wish = "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>romeo@montague.lit</jid></always><never><jid>montague@montague.lit</jid></never></prefs>";
        var answer = await client.Request($"<iq type='set'>{Wish}</iq>");
        Assert.Equal(Wish, answer.Child("prefs", Ns.Mam)!.ToString());
        Assert.Equal(Wish, (await Get(client)).ToString());
    }

    [Theory]
    [InlineData("<prefs xmlns='urn:xmpp:mam:2'/>", "bad-request")]
    [InlineData("<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>", "bad-request")]
    [InlineData("<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>@</jid></always></prefs>", "jid-malformed")]
    public async Task What_is_no_preference_is_refused(string prefs, string condition)
    {
        await using var client = await server.Login(await server.AddAccount("juliet"), "chamber");
        Assert.Equal(condition, ArchiveTests.ConditionOf(await client.Request($"<iq type='set'>{prefs}</iq>")));
        Assert.Equal("always", (await Get(client))["default"]);
    }

    [Fact]
    public async Task Never_keeps_a_conversation_out_of_the_own_archive_only_and_is_delivered()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var r = await server.Login(romeo, "orchard");
        await using var j = await server.Login(juliet, "chamber");
        await Set(j, "always", never: r.BareJid);
        await r.Send($"<message to='{j.BareJid}' type='chat' id='in'><body>psst</body></message>");
        Assert.Equal("in", (await ArchiveTests.Message(j))["id"]);
        await j.Send($"<message to='{r.Jid}' type='chat' id='out'><body>yes</body></message>");
        Assert.Equal("out", (await ArchiveTests.Message(r))["id"]);
        Assert.Equal("", await Archived(j));
        Assert.Equal("in out", await Archived(r));
    }

    [Fact]
    public async Task What_is_not_archived_still_waits_for_who_is_away()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var r = await server.Login(romeo, "orchard");
        await using (var j = await server.Login(juliet, "chamber"))
        {
            await Set(j, "never");
            await j.Close();
        }
        await r.Send($"<message to='{juliet.Local}@localhost' type='chat' id='w1'><body>psst</body></message>");
        await r.Barrier();
        await using var back = await server.Login(juliet, "chamber", appear: false);
        await back.Send("<presence/>");
        Assert.Equal("w1", (await ArchiveTests.Message(back))["id"]);
        Assert.Equal("", await Archived(back));
    }

    [Fact]
    public async Task Rules_for_a_resource_stand_for_it_alone_and_never_wins()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var orchard = await server.Login(romeo, "orchard");
        await using var garden = await server.Login(romeo, "garden");
        await using var j = await server.Login(juliet, "chamber");
        await Set(j, "never", always: orchard.Jid);
        await Say(orchard, j, "1");
        await Say(garden, j, "2");
        await Set(j, "never", always: orchard.BareJid, never: garden.Jid);
        await Say(orchard, j, "3");
        await Say(garden, j, "4");
        Assert.Equal("1 3", await Archived(j));
    }

    [Fact]
    public async Task The_roster_decides_by_bare_address()
    {
        var (romeo, tybalt, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("tybalt"), await server.AddAccount("juliet"));
        await server.Node.Rosters.UpsertAsync(juliet.Id, new RosterItem($"{romeo.Local}@localhost", "Romeo", Subscription.None, false, null, false, []), TestContext.Current.CancellationToken);
        await using var r = await server.Login(romeo, "orchard");
        await using var t = await server.Login(tybalt, "street");
        await using var j = await server.Login(juliet, "chamber");
        await Set(j, "roster");
        await Say(r, j, "1");
        await Say(t, j, "2");
        Assert.Equal("1", await Archived(j));
    }

    private static async Task Say(WireClient from, WireClient to, string id)
    {
        await from.Send($"<message to='{to.BareJid}' type='chat' id='{id}'><body>{id}</body></message>");
        Assert.Equal(id, (await ArchiveTests.Message(to))["id"]);
    }

    private static async Task<Element> Get(WireClient client) => (await client.Request($"<iq type='get'><prefs xmlns='{Ns.Mam}'/></iq>")).Child("prefs", Ns.Mam)!;

    private static async Task Set(WireClient client, string @default, string? always = null, string? never = null)
    {
        var answer = await client.Request($"<iq type='set'><prefs xmlns='{Ns.Mam}' default='{@default}'>{List("always", always)}{List("never", never)}</prefs></iq>");
        Assert.Equal("result", answer["type"]);
    }

    private static string List(string name, string? jid) => jid is null ? "" : $"<{name}><jid>{jid}</jid></{name}>";

    private static async Task<string> Archived(WireClient client) =>
        string.Join(' ', (await ArchiveTests.Query(client)).Results.Select(m => m.Child("result", Ns.Mam)!.Child("forwarded", Ns.Forward)!.Child("message", Ns.Client)!["id"]));
}
