using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>What a client gets with binding, without asking for it afterwards (XEP-0386 section 4).</summary>
public sealed class BindInlineTests(NodeServer server) : IClassFixture<NodeServer>
{
    [Fact]
    public async Task Carbons_and_state_are_set_and_the_archive_is_described()
    {
        var romeo = await server.AddAccount("romeo");
        await using (var first = await server.Login(romeo, "orchard"))
        {
            await first.Send($"<message to='{first.BareJid}' type='chat' id='n1'><body>note</body></message>");
            await first.Expect(e => e["id"] == "n1", "the note");
        }
        await using var client = await WireClient.Connect(server.Server, Transport.DirectTls);
        var offered = client.Features.Child("authentication", Ns.Sasl2)!.Child("inline", Ns.Sasl2)!.Child("bind", Ns.Bind2)!.Child("inline", Ns.Bind2)!.Elements.Select(e => e["var"]).ToArray();
        Assert.Contains(Ns.Carbons, offered);
        Assert.Contains(Ns.Csi, offered);

        await client.Send($"<authenticate xmlns='{Ns.Sasl2}' mechanism='PLAIN'><initial-response>{SaslClient.Plain(romeo.Local, TestServer.Password)}</initial-response>"
            + $"<bind xmlns='{Ns.Bind2}'><tag>Test</tag><enable xmlns='{Ns.Carbons}'/><inactive xmlns='{Ns.Csi}'/></bind></authenticate>");
        var success = await client.Expect(e => e.Namespace == Ns.Sasl2, "the outcome");
        var metadata = success.Child("bound", Ns.Bind2)!.Child("metadata", Ns.Mam)!;
        Assert.Equal(metadata.Child("start", Ns.Mam)!["id"], metadata.Child("end", Ns.Mam)!["id"]);
        client.Jid = success.ChildText("authorization-identifier", Ns.Sasl2)!;
        await client.Barrier();
        var session = server.Node.Sessions.All.Single(s => s.JidText == client.Jid);
        Assert.True(session.Carbons);
        Assert.True(session.Inactive);

        var (results, _) = await ArchiveTests.Query(client);
        Assert.Equal(metadata.Child("start", Ns.Mam)!["id"], results.Single().Child("result", Ns.Mam)!["id"]);
    }
}
