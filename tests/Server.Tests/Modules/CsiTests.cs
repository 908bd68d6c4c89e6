using Indaba.Server.Sessions;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>XEP-0352.</summary>
public sealed class CsiTests(NodeServer server) : IClassFixture<NodeServer>
{
    [Fact]
    public async Task Active_then_ping_gets_what_was_held_before_the_pong()
    {
        var (client, session) = await Inactive();
        await using var _ = client;
        Push(session, "a@x/1", "away");
        Push(session, "b@x/1", "chat");
        Push(session, "a@x/1", "dnd");
        await client.Send($"<active xmlns='{Ns.Csi}'/>");
        await client.Barrier();
        Assert.Equal("b@x/1 chat, a@x/1 dnd", Inbox(client));
        client.ClearInbox();
        Push(session, "a@x/1", "xa");
        Assert.Equal("xa", (await client.Next()).ChildText("show", Ns.Client));
    }

    [Fact]
    public async Task What_matters_goes_out_at_once_with_what_was_held_before_it()
    {
        var (client, session) = await Inactive();
        await using var _ = client;
        await using var j = await server.Login(await server.AddAccount("juliet"), "chamber");
        Push(session, "a@x/1", "away");
        await j.Send($"<message to='{client.BareJid}' type='chat' id='s1'><composing xmlns='{Ns.ChatStates}'/></message>");
        await j.Send($"<message to='{client.BareJid}' type='chat' id='s2'><active xmlns='{Ns.ChatStates}'/></message>");
        await j.Barrier();
        await j.Send($"<message to='{client.BareJid}' type='chat' id='m1'><body>b</body></message>");
        Assert.Equal("away", (await client.Next()).ChildText("show", Ns.Client));
        Assert.Equal("s2", (await client.Next())["id"]); // the newest state only
        Assert.Equal("m1", (await client.Next())["id"]);
        Push(session, "subscriber@x", null, "subscribe"); // still inactive, but this matters
        Assert.Equal("subscribe", (await client.Expect(e => e.Name == "presence", "a presence"))["type"]);
    }

    [Fact]
    public async Task The_answer_to_entering_a_room_is_not_held()
    {
        var (client, session) = await Inactive();
        await using var _ = client;
        Push(session, "room@x/other", null);
        var own = new Element("presence", Ns.Client).With("from", "room@x/me").Add(new Element("x", Ns.MucUser).Add(new Element("status", Ns.MucUser).With("code", "110")));
        session.SendStanza(own, XmppWriter.ToBytes(own, Ns.Client));
        Assert.Equal("room@x/other", (await client.Next())["from"]);
        Assert.Equal("room@x/me", (await client.Next())["from"]);
    }

    [Fact]
    public async Task What_is_held_is_bounded()
    {
        var (client, session) = await Inactive();
        await using var _ = client;
        for (var i = 0; i <= HeldBack.MaxItems; i++) Push(session, $"u{i}@x/1", "away");
        for (var i = 0; i <= HeldBack.MaxItems; i++) Assert.Equal($"u{i}@x/1", (await client.Next())["from"]);
    }

    [Fact]
    public async Task An_unknown_element_ends_the_stream()
    {
        var (client, _) = await Inactive();
        await using var __ = client;
        await client.Send($"<asleep xmlns='{Ns.Csi}'/>");
        Assert.Equal("unsupported-stanza-type", await client.ExpectStreamError());
    }

    [Fact]
    public async Task The_feature_is_offered_after_authentication()
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        Assert.NotNull(client.Features.Child("csi", Ns.Csi));
    }

    [Theory]
    [InlineData("<presence from='a@x/1'/>", true)]
    [InlineData("<presence from='a@x/1' type='unavailable'/>", true)]
    [InlineData("<presence from='a@x/1' type='error'/>", false)]
    [InlineData("<presence from='a@x' type='unsubscribed'/>", false)]
    [InlineData("<message from='a@x/1' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/></message>", true)]
    [InlineData("<message from='a@x/1' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/><body/></message>", false)]
    [InlineData("<message from='a@x/1' type='error'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>", false)]
    [InlineData("<message from='a@x/1'/>", false)]
    [InlineData("<iq from='a@x/1' type='get'/>", false)]
    public void Only_presence_and_chat_states_can_wait(string stanza, bool held) => Assert.Equal(held, HeldBack.KeyOf(XmlText.Parse(stanza)) is not null);

    private async Task<(WireClient Client, Session Session)> Inactive()
    {
        var romeo = await server.AddAccount("romeo");
        var client = await server.Login(romeo, "orchard");
        await client.Send($"<inactive xmlns='{Ns.Csi}'/>");
        await client.Barrier();
        client.ClearInbox();
        return (client, server.Node.Sessions.All.Single(s => s.JidText == client.Jid));
    }

    private static void Push(Session session, string from, string? show, string? type = null)
    {
        var presence = new Element("presence", Ns.Client).With("from", from).With("type", type);
        if (show is not null) presence.Add("show", Ns.Client, show);
        session.SendStanza(presence, XmppWriter.ToBytes(presence, Ns.Client));
    }

    private static string Inbox(WireClient client) => string.Join(", ", client.Inbox.Select(e => $"{e["from"]} {e.ChildText("show", Ns.Client)}"));
}
