using Indaba.Server.Modules;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>The verification string of XEP-0115, by the examples of its text.</summary>
public sealed class CapsTests
{
    [Fact]
    public void Section_5_2() => Assert.Equal("QgayPKawpkPSDYmwT/WM94uAlu0=", Caps.VerOf(XmlText.Parse("""
        <query xmlns='http://jabber.org/protocol/disco#info'>
          <identity category='client' name='Exodus 0.9.1' type='pc'/>
          <feature var='http://jabber.org/protocol/muc'/>
          <feature var='http://jabber.org/protocol/disco#items'/>
          <feature var='http://jabber.org/protocol/caps'/>
          <feature var='http://jabber.org/protocol/disco#info'/>
        </query>
        """)));

    [Fact]
    public void Section_5_3() => Assert.Equal("q07IKJEyjvHSyhy//CH0CxmKi8w=", Caps.VerOf(XmlText.Parse("""
        <query xmlns='http://jabber.org/protocol/disco#info'>
          <identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
          <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
          <feature var='http://jabber.org/protocol/caps'/>
          <feature var='http://jabber.org/protocol/disco#info'/>
          <feature var='http://jabber.org/protocol/disco#items'/>
          <feature var='http://jabber.org/protocol/muc'/>
          <x xmlns='jabber:x:data' type='result'>
            <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
            <field var='software_version'><value>0.11</value></field>
            <field var='ip_version' type='text-multi'><value>ipv6</value><value>ipv4</value></field>
            <field var='os'><value>Mac</value></field>
            <field var='os_version'><value>10.5.1</value></field>
            <field var='software'><value>Psi</value></field>
          </x>
        </query>
        """)));

    [Fact]
    public void Sorts_by_bytes_and_not_by_utf_16()
    {
        // U+FF5E is EF BD 9E, U+1F600 is F0 9F 98 80: the latter is greater, but its UTF-16 begins with D83D.
        static Element Query(params string[] features)
        {
            var query = new Element("query", Ns.DiscoInfo);
            foreach (var feature in features) query.Add(new Element("feature", Ns.DiscoInfo).With("var", feature));
            return query;
        }
        var s = "\uFF5E<\U0001F600<"u8;
#pragma warning disable CA5350 // the hash of the XEP
        Assert.Equal(Convert.ToBase64String(System.Security.Cryptography.SHA1.HashData(s)), Caps.VerOf(Query("\U0001F600", "\uFF5E")));
#pragma warning restore CA5350
    }
}
