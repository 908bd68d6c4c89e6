using Indaba.Server.Modules;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>What only a server may say is taken out of what clients send; the rest stays (XEP-0359 section 3, XEP-0203 section 7, XEP-0280 section 11, XEP-0313 section 7.2, XEP-0421).</summary>
public sealed class UniqueIdsTests
{
    private static readonly Jid Sender = Jid.Parse("tybalt@capulet.lit");

    [Theory]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@capulet.lit' id='1'/>")]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' by='ROMEO@Capulet.LIT' id='1'/>")]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' by='room@rooms.capulet.lit' id='1'/>")]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' by='capulet.lit' id='1'/>")]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' by='tybalt@capulet.lit' id='1'/>")]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' id='1'/>")]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' by='@' id='1'/>")]
    [InlineData("<delay xmlns='urn:xmpp:delay' from='capulet.lit' stamp='2002-09-10T23:08:25Z'/>")]
    [InlineData("<delay xmlns='urn:xmpp:delay' from='room@rooms.capulet.lit/romeo' stamp='2002-09-10T23:08:25Z'/>")]
    [InlineData("<delay xmlns='urn:xmpp:delay' from='romeo@capulet.lit' stamp='2002-09-10T23:08:25Z'/>")]
    [InlineData("<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></received>")]
    [InlineData("<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></sent>")]
    [InlineData("<result xmlns='urn:xmpp:mam:2' id='1'><forwarded xmlns='urn:xmpp:forward:0'/></result>")]
    [InlineData("<occupant-id xmlns='urn:xmpp:occupant-id:0' id='1'/>")]
    public void Is_taken_out_however_often(string forged)
    {
        var message = XmlText.Parse($"<message to='romeo@capulet.lit'>{forged}<body>b</body>{forged}{forged}</message>");
        UniqueIds.Clean(message, Sender, "capulet.lit");
        Assert.Equal("<message xmlns='jabber:client' to='romeo@capulet.lit'><body>b</body></message>", message.ToString());
    }

    [Theory]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' by='room@elsewhere.lit' id='1'/>")]
    [InlineData("<stanza-id xmlns='urn:xmpp:sid:0' by='room@notcapulet.lit' id='1'/>")]
    [InlineData("<origin-id xmlns='urn:xmpp:sid:0' id='1'/>")]
    [InlineData("<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>")]
    [InlineData("<delay xmlns='urn:xmpp:delay' from='tybalt@capulet.lit/street' stamp='2002-09-10T23:08:25Z'/>")]
    [InlineData("<private xmlns='urn:xmpp:carbons:2'/>")]
    [InlineData("<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><stanza-id xmlns='urn:xmpp:sid:0' by='capulet.lit' id='1'/></message></forwarded>")]
    public void Stays(string own)
    {
        var message = XmlText.Parse($"<message to='romeo@capulet.lit'>{own}</message>");
        var before = message.ToString();
        UniqueIds.Clean(message, Sender, "capulet.lit");
        Assert.Equal(before, message.ToString());
    }
}
