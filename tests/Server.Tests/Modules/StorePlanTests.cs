using Indaba.Server.Accounts;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp.Stanzas;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>What is stored (XEP-0160 section 3, XEP-0334), archived (XEP-0313 section 6.1.1) and copied (XEP-0280 section 6.1).</summary>
public sealed class StorePlanTests
{
    private const string Body = "<body>b</body>";
    private const string Composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    private const string Received = "<received xmlns='urn:xmpp:receipts' id='1'/>";
    private const string Displayed = "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>";
    private const string Thread = "<thread>t</thread>";
    private const string Invite = "<x xmlns='jabber:x:conference' jid='a@b'/>";
    private const string Mediated = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>";

    [Theory]
    [InlineData("chat", Body, "SAC")]
    [InlineData("normal", Body, "SAC")]
    [InlineData(null, Body, "SAC")]
    [InlineData("unheard-of", Body, "SAC")] // RFC 6121 section 5.2.2: as normal
    [InlineData("normal", "<subject>s</subject>", "SA")]
    [InlineData("headline", Body, "")]
    [InlineData("groupchat", Body, "")]
    [InlineData("groupchat", Body + Received, "")]
    [InlineData("error", Body, "")]
    [InlineData("chat", Composing, "C")]
    [InlineData("chat", Composing + Thread, "C")]
    [InlineData("normal", Composing, "C")]
    [InlineData("chat", Composing + Body, "SAC")]
    [InlineData("chat", "", "C")]
    [InlineData("chat", "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>", "C")]
    [InlineData("normal", Received, "SAC")]
    [InlineData("normal", Displayed, "SAC")]
    [InlineData("headline", Received, "C")]
    [InlineData("normal", Invite, "SAC")]
    [InlineData("normal", Mediated, "SAC")]
    [InlineData("headline", Invite, "C")]
    [InlineData("normal", "<x xmlns='http://jabber.org/protocol/muc#user'/>", "SA")]
    // hints
    [InlineData("chat", Body + "<no-store xmlns='urn:xmpp:hints'/>", "C")]
    [InlineData("chat", Body + "<no-store xmlns='urn:xmpp:hints'/><store xmlns='urn:xmpp:hints'/>", "C")]
    [InlineData("chat", Body + "<no-permanent-store xmlns='urn:xmpp:hints'/>", "SC")]
    [InlineData("chat", Composing + "<store xmlns='urn:xmpp:hints'/>", "SAC")]
    [InlineData("headline", Body + "<store xmlns='urn:xmpp:hints'/>", "SA")]
    [InlineData("error", Body + "<store xmlns='urn:xmpp:hints'/>", "")]
    [InlineData("chat", Body + "<no-copy xmlns='urn:xmpp:hints'/>", "SA")]
    [InlineData("chat", Body + "<private xmlns='urn:xmpp:carbons:2'/>", "SA")]
    [InlineData("chat", Body + "<store xmlns='jabber:client'/>", "SAC")] // another namespace: no hint
    public void Follows_from_type_and_content(string? type, string content, string plan)
    {
        var message = new Message(XmlText.Parse($"<message>{content}</message>").With("type", type));
        var got = StorePlan.Of(message);
        Assert.Equal(plan, (got.Store ? "S" : "") + (got.Archive ? "A" : "") + (got.Copy ? "C" : ""));
    }
}
