using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Wire;

/// <summary>Stream management (XEP-0198) on a <see cref="WireClient"/>.</summary>
internal static class SmClient
{
    /// <summary>Enables it and returns the server's <c>&lt;enabled/&gt;</c>.</summary>
    public static async Task<Element> EnableSm(this WireClient client, bool resume = true)
    {
        client.Sm = new SmState();
        await client.Send($"<enable xmlns='{Ns.StreamManagement}'{(resume ? " resume='true'" : "")}/>");
        var enabled = await client.Expect(e => e.Namespace == Ns.StreamManagement && e.Name is "enabled" or "failed", "enabled");
        if (enabled.Name == "failed") throw client.Failed($"stream management was refused: {enabled}");
        client.Sm.Id = enabled["id"];
        return enabled;
    }

    /// <summary>
    /// Resumes an earlier stream on this authenticated connection and sends again what the server had not got.
    /// Returns <c>&lt;resumed/&gt;</c> or <c>&lt;failed/&gt;</c>; after the latter the client can bind.
    /// </summary>
    public static async Task<Element> Resume(this WireClient client, WireClient earlier)
    {
        var state = earlier.Sm ?? throw new InvalidOperationException("the earlier stream was not managed");
        await client.Send($"<resume xmlns='{Ns.StreamManagement}' previd='{XmlText.Escape(state.Id ?? "")}' h='{state.Received}'/>");
        var answer = await client.Expect(e => e.Namespace == Ns.StreamManagement && e.Name is "resumed" or "failed", "resumed");
        if (answer["h"] is { } h) state.OnAck(h);
        if (answer.Name == "failed") return answer;
        client.Sm = state;
        client.Jid = earlier.Jid;
        foreach (var stanza in state.Unacked) await client.SendRaw(stanza);
        return answer;
    }

    /// <summary>Asks for an ack and waits until the server has taken everything that was sent.</summary>
    public static async Task AwaitAcks(this WireClient client)
    {
        var target = client.Sm!.Sent;
        await client.Send($"<r xmlns='{Ns.StreamManagement}'/>");
        while (client.Sm.Acked < target) await client.Expect(e => e.Is("a", Ns.StreamManagement), $"an ack up to {target}");
    }
}
