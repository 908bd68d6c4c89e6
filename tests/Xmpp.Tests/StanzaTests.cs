using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Tests;

public class StanzaTests
{
    // RFC 6120 section 8.3.3: every condition with the type it recommends (of two, the first).
    [Theory]
    [InlineData("bad-request", "modify")]
    [InlineData("conflict", "cancel")]
    [InlineData("feature-not-implemented", "cancel")]
    [InlineData("forbidden", "auth")]
    [InlineData("gone", "cancel")]
    [InlineData("internal-server-error", "cancel")]
    [InlineData("item-not-found", "cancel")]
    [InlineData("jid-malformed", "modify")]
    [InlineData("not-acceptable", "modify")]
    [InlineData("not-allowed", "cancel")]
    [InlineData("not-authorized", "auth")]
    [InlineData("policy-violation", "modify")]
    [InlineData("recipient-unavailable", "wait")]
    [InlineData("redirect", "modify")]
    [InlineData("registration-required", "auth")]
    [InlineData("remote-server-not-found", "cancel")]
    [InlineData("remote-server-timeout", "wait")]
    [InlineData("resource-constraint", "wait")]
    [InlineData("service-unavailable", "cancel")]
    [InlineData("subscription-required", "auth")]
    [InlineData("undefined-condition", "cancel")] // the RFC leaves it open
    [InlineData("unexpected-request", "wait")]
    public void Conditions_have_their_types(string name, string type)
    {
        Assert.True(Kebab.TryParse(name, out StanzaCondition condition));
        Assert.Equal(type, Kebab.Of(StanzaError.DefaultType(condition)));
        Assert.Equal(
            $"<error xmlns='jabber:client' type='{type}'><{name} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
            StanzaError.Of(condition).ToElement().ToString());
    }

    [Fact]
    public void There_are_as_many_conditions_as_the_rfc_has() => Assert.Equal(22, Enum.GetValues<StanzaCondition>().Length);

    [Fact]
    public void An_error_goes_back_with_text_and_application_element()
    {
        var request = new Element("iq", Ns.Client).With("type", "set").With("id", "1").With("from", "a@x/r").With("to", "b@x").Add("query", Ns.Roster);
        Assert.Equal(
            "<iq xmlns='jabber:client' type='error' id='1' to='a@x/r' from='b@x'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text><why xmlns='urn:y'/></error></iq>",
            StanzaError.Of(StanzaCondition.Forbidden, "no", new Element("why", "urn:y")).ReplyTo(request).ToString());
    }

    [Fact]
    public void Elements_are_seen_as_the_stanzas_they_are()
    {
        Assert.Equal(MessageType.Chat, Assert.IsType<Message>(Stanza.Of(new Element("message", Ns.Client).With("type", "chat"))).Type);
        Assert.Equal(MessageType.Normal, Assert.IsType<Message>(Stanza.Of(new Element("message", Ns.Client).With("type", "unknown"))).Type);
        Assert.Equal(PresenceType.Available, Assert.IsType<Presence>(Stanza.Of(new Element("presence", Ns.Client))).Type);
        Assert.Equal(IqType.Get, Assert.IsType<Iq>(Stanza.Of(new Element("iq", Ns.Client).With("type", "get").With("id", "1").Add("q", "urn:q"))).Type);
        Assert.Null(Stanza.Of(new Element("message", Ns.Server)));
        Assert.Null(Stanza.Of(new Element("query", Ns.Client)));
    }

    [Fact]
    public void What_breaks_the_rules_is_refused()
    {
        Assert.Equal(StanzaCondition.JidMalformed, Refusal(new Element("message", Ns.Client).With("to", "@")));
        Assert.Equal(StanzaCondition.JidMalformed, Refusal(new Element("message", Ns.Client).With("to", "")));
        Assert.Equal(StanzaCondition.BadRequest, Refusal(new Element("presence", Ns.Client).With("type", "maybe")));
        Assert.Equal(StanzaCondition.BadRequest, Refusal(new Element("iq", Ns.Client).With("type", "get").Add("q", "urn:q")));
        Assert.Equal(StanzaCondition.BadRequest, Refusal(new Element("iq", Ns.Client).With("type", "get").With("id", "1")));
        Assert.Equal(StanzaCondition.BadRequest, Refusal(new Element("iq", Ns.Client).With("type", "get").With("id", "1").Add("q", "urn:q").Add("q", "urn:q")));
        Assert.Equal(StanzaCondition.BadRequest, Refusal(new Element("iq", Ns.Client).With("id", "1").Add("q", "urn:q")));
        Assert.Equal(StanzaCondition.BadRequest, Refusal(new Element("iq", Ns.Client).With("type", "result").With("id", "1").Add("q", "urn:q").Add("q", "urn:q")));
        static StanzaCondition Refusal(Element element) => Assert.Throws<StanzaException>(() => Stanza.Of(element)).Error.Condition;
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData("5", 5)]
    [InlineData("-128", -128)]
    [InlineData("127", 127)]
    [InlineData("128", 0)]
    [InlineData("x", 0)]
    [InlineData("", 0)]
    public void Priority_is_read(string? text, int expected)
    {
        var presence = new Element("presence", Ns.Client);
        if (text is not null) presence.Add("priority", Ns.Client, text);
        Assert.Equal(expected, new Presence(presence).Priority);
    }

    [Fact]
    public void Addresses_change_the_element()
    {
        var message = new Message(new Element("message", Ns.Client).With("to", "A@x")) { From = Jid.Parse("b@x/r"), Id = "7" };
        Assert.Equal(Jid.Parse("a@x"), message.To);
        Assert.Equal(("b@x/r", "7"), (message.Element["from"], message.Element["id"]));
        message.To = null;
        Assert.Equal("<message xmlns='jabber:client' from='b@x/r' id='7'/>", message.Element.ToString());
    }
}
