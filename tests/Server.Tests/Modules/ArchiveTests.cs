using Indaba.Xmpp;
using Xunit;

namespace Indaba.Server.Tests.Modules;

public sealed class ArchiveTests(NodeServer server) : IClassFixture<NodeServer>
{
    [Fact]
    public async Task QueryReturnsWhatWasSent()
    {
        var romeo = await server.AddAccount("romeo");
        var juliet = await server.AddAccount("juliet");
        await using var r = await server.Login(romeo, "orchard");
        await using var j = await server.Login(juliet, "chamber");
        await j.Send($"<message to='{romeo.Local}@localhost' type='chat' id='m1'><body>one</body></message>");
        var got = await r.Next();
        Assert.Equal("m1", got["id"]);
        var sid = got.Child("stanza-id", Ns.StanzaIds)!["id"];
        await r.Send("<iq type='set' id='q1'><query xmlns='urn:xmpp:mam:2' queryid='f27'/></iq>");
        var result = await r.Next();
        Assert.True(result.Name == "message", result.ToString());
        Assert.Equal(sid, result.Child("result", Ns.Mam)!["id"]);
        var fin = await r.Next();
        Assert.Equal("true", fin.Child("fin", Ns.Mam)!["complete"]);
    }
}
