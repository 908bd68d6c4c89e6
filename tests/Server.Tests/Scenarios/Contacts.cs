using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>Makes accounts each other's contacts by the handshake of RFC 6121 section 3.1.</summary>
internal static class Contacts
{
    /// <summary>Subscribes <paramref name="first"/> to <paramref name="second"/>, and the other way too when <paramref name="mutual"/>.</summary>
    public static async Task Befriend(TestServer server, string first, string second, bool mutual)
    {
        await using var a = await WireClient.Login(server, first, "setup");
        await using var b = await WireClient.Login(server, second, "setup");
        foreach (var client in new[] { a, b })
        {
            await client.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
            await client.Appear(-1);
        }
        await Subscribe(a, b);
        if (mutual) await Subscribe(b, a);
        await a.Close();
        await b.Close();
    }

    private static async Task Subscribe(WireClient from, WireClient to)
    {
        await from.Send($"<presence type='subscribe' to='{to.BareJid}'/>");
        await to.Expect(e => e.Is("presence", Ns.Client) && e["type"] == "subscribe", "the request");
        await to.Send($"<presence type='subscribed' to='{from.BareJid}'/>");
        await from.Expect(e => e.Is("presence", Ns.Client) && e["type"] == "subscribed", "the approval");
        await from.Expect(e => e.Is("presence", Ns.Client) && e["type"] is null && e["from"] == to.Jid, "the presence");
        await to.Barrier();
    }
}
