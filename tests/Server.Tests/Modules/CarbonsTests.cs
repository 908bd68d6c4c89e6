using System.Text;
using Indaba.Server.Accounts;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>XEP-0280 beyond the scenarios: each rule of section 6.1 that takes more than a look at the message, since carbons:rules:0 promises them all.</summary>
public sealed class CarbonsTests(NodeServer server) : IClassFixture<NodeServer>
{
    [Fact]
    public async Task A_resource_that_takes_no_messages_gets_a_copy_of_what_came_to_the_bare_address()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var garden = await server.Login(romeo, "garden");
        await using var quiet = await server.Login(romeo, "quiet", appear: false);
        await quiet.Send("<presence><priority>-1</priority></presence>");
        await EnableCarbons(quiet);
        await using var j = await server.Login(juliet, "balcony");
        await j.Send($"<message to='{garden.BareJid}' type='chat' id='c1'><body>b</body></message>");
        Assert.Equal("c1", (await ArchiveTests.Message(garden))["id"]);
        Assert.Equal("c1", Forwarded(await ArchiveTests.Message(quiet), "received")["id"]);
        // Once it takes messages it has had this one.
        await quiet.Send("<presence/>");
        await j.Send($"<message to='{garden.BareJid}' type='chat' id='c2'><body>b</body></message>");
        Assert.Equal("c2", (await ArchiveTests.Message(quiet))["id"]);
    }

    [Theory]
    [InlineData("chat")]
    [InlineData("normal")]
    [InlineData(null)]
    public async Task The_wrapping_message_is_of_the_same_type(string? type)
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var garden = await server.Login(romeo, "garden");
        await using var home = await server.Login(romeo, "home");
        await EnableCarbons(home);
        await using var j = await server.Login(juliet, "balcony");
        await j.Send(new Element("message", Ns.Client).With("to", garden.Jid).With("id", "a type='error'").With("type", type).Add("body", Ns.Client, "b"));
        var copy = await ArchiveTests.Message(home);
        Assert.Equal(type, copy["type"]);
        Assert.Equal(garden.BareJid, copy["from"]);
        Assert.Equal(home.Jid, copy["to"]);
        Assert.Equal(type, Forwarded(copy, "received")["type"]);
    }

    [Fact]
    public async Task An_error_is_copied_when_what_it_answers_was()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var garden = await server.Login(romeo, "garden");
        await using var home = await server.Login(romeo, "home");
        await using var j = await server.Login(juliet, "balcony");
        await using var j2 = await server.Login(juliet, "chamber");
        await EnableCarbons(home);
        await EnableCarbons(j2);
        await garden.Send($"<message to='{j.Jid}' type='chat' id='m1'><body>b</body></message>");
        Assert.Equal("m1", Forwarded(await ArchiveTests.Message(home), "sent")["id"]);
        Assert.Equal("m1", Forwarded(await ArchiveTests.Message(j2), "received")["id"]);
        await ArchiveTests.Message(j);
        await j.Send(Error(garden.Jid, "m1"));
        Assert.Equal("error", (await ArchiveTests.Message(garden))["type"]);
        Assert.Equal("error", Forwarded(await ArchiveTests.Message(home), "received")["type"]);
        Assert.Equal("m1", Forwarded(await ArchiveTests.Message(j2), "sent")["id"]);

        await garden.Send($"<message to='{j.Jid}' type='chat' id='m2'><body>b</body><private xmlns='{Ns.Carbons}'/></message>");
        await ArchiveTests.Message(j);
        await j.Send(Error(garden.Jid, "m2"));
        await j.Send(Error(garden.Jid, "never-sent"));
        await ArchiveTests.Message(garden);
        await ArchiveTests.Message(garden);
        await NoMessage(home);
        await NoMessage(j2);
    }

    [Fact]
    public async Task A_private_message_in_a_room_is_copied_where_it_was_sent_and_not_where_it_came()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var garden = await server.Login(romeo, "garden");
        await using var home = await server.Login(romeo, "home");
        await using var j = await server.Login(juliet, "balcony");
        await using var j2 = await server.Login(juliet, "chamber");
        await EnableCarbons(home);
        await EnableCarbons(j2);
        await garden.Send($"<message to='{j.Jid}' type='chat' id='pm'><body>b</body><x xmlns='{Ns.MucUser}'/></message>");
        Assert.Equal("pm", Forwarded(await ArchiveTests.Message(home), "sent")["id"]);
        Assert.Equal("pm", (await ArchiveTests.Message(j))["id"]);
        await NoMessage(j2);
        await garden.Send($"<message to='{j.Jid}' id='invite'><x xmlns='{Ns.MucUser}'><invite from='a@b'/></x></message>");
        Assert.Equal("invite", Forwarded(await ArchiveTests.Message(j2), "received")["id"]);
    }

    [Fact]
    public async Task What_is_not_stored_is_copied_too_and_reaches_nobody_twice()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var garden = await server.Login(romeo, "garden");
        await using var home = await server.Login(romeo, "home");
        await using var j = await server.Login(juliet, "balcony");
        await EnableCarbons(garden);
        await EnableCarbons(home);
        await EnableCarbons(j);
        await garden.Send($"<message to='{j.Jid}' type='chat' id='s1'><composing xmlns='{Ns.ChatStates}'/></message>");
        Assert.Equal("s1", (await ArchiveTests.Message(j))["id"]);
        Assert.Equal("s1", Forwarded(await ArchiveTests.Message(home), "sent")["id"]);
        await NoMessage(garden);
        await NoMessage(j);
    }

    [Theory]
    [InlineData("<message type='chat' to='a'>", "chat")]
    [InlineData("<message to='a' id=' type=&apos;x&apos; ' type='normal'><body type='inner'>", "normal")]
    [InlineData("<message to='a' id='>'><body type='inner'>", "")]
    [InlineData("<message to='a' id='1'/>", "")]
    [InlineData("<message subtype='x' type='error'/>", "error")]
    [InlineData("<message", "")]
    public void The_type_is_read_from_the_start_tag(string stanza, string type) =>
        Assert.Equal(type, Encoding.UTF8.GetString(Copies.TypeOf(Encoding.UTF8.GetBytes(stanza))));

    private static async Task EnableCarbons(WireClient client)
    {
        Assert.Equal("result", (await client.Request($"<iq type='set'><enable xmlns='{Ns.Carbons}'/></iq>"))["type"]);
        await client.Barrier();
        client.ClearInbox();
    }

    private static async Task NoMessage(WireClient client)
    {
        await client.Barrier();
        Assert.DoesNotContain(client.Inbox, e => e.Name == "message");
    }

    private static Element Forwarded(Element carbon, string kind) =>
        carbon.Child(kind, Ns.Carbons)?.Child("forwarded", Ns.Forward)?.Child("message", Ns.Client) ?? throw new WireException($"no {kind} carbon: {carbon}");

    private static string Error(string to, string id) =>
        $"<message to='{to}' type='error' id='{id}'><error type='cancel'><service-unavailable xmlns='{Ns.StanzaErrors}'/></error></message>";
}
