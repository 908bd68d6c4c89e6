using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Cluster.Tests;

/// <summary>Two devices of one person on two nodes.</summary>
[Collection(OneCluster.Name)]
public sealed class DeviceTests(RunningCluster cluster)
{
    [Fact]
    public async Task Both_devices_get_what_comes_and_see_what_the_other_sends()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var bob = await Chat.Appear(cluster, 3, names[1], "phone");
        await using var phone = await Chat.Appear(cluster, 1, names[0], "phone", carbons: true);
        await using var desk = await Chat.Appear(cluster, 2, names[0], "desk", carbons: true);

        await bob.Say(phone.BareJid, "to both");
        await phone.Hear("to both");
        await desk.Hear("to both");

        await bob.Say(phone.Jid, "to one");
        await phone.Hear("to one");
        await desk.Expect(e => e.Child("received", Ns.Carbons)?.Child("forwarded", Ns.Forward)?.Child("message", Ns.Client)?.ChildText("body", Ns.Client) == "to one", "the copy of what the other got");

        await desk.Say(bob.BareJid, "from the desk");
        await bob.Hear("from the desk");
        await phone.Expect(e => e.Child("sent", Ns.Carbons)?.Child("forwarded", Ns.Forward)?.Child("message", Ns.Client)?.ChildText("body", Ns.Client) == "from the desk", "the copy of what the other sent");
    }

    [Fact]
    public async Task A_change_of_the_roster_is_pushed_to_the_device_on_the_other_node()
    {
        var name = await cluster.Account("alice");
        await using var phone = await Chat.Appear(cluster, 1, name, "phone");
        await using var desk = await Chat.Appear(cluster, 2, name, "desk");

        await phone.Request($"<iq type='set'><query xmlns='{Ns.Roster}'><item jid='nurse@localhost' name='Nurse'/></query></iq>");

        await desk.Expect(e => e.Is("iq", Ns.Client) && e["type"] == "set" && e.Child("query", Ns.Roster)?.Child("item", Ns.Roster)?["jid"] == "nurse@localhost", "the push");
    }

    [Fact]
    public async Task Each_device_sees_the_other_come_and_go()
    {
        var name = await cluster.Account("alice");
        await using var phone = await Chat.Appear(cluster, 1, name, "phone");
        await using var desk = await Chat.Appear(cluster, 2, name, "desk");

        await phone.Expect(e => e.Is("presence", Ns.Client) && e["from"] == desk.Jid && e["type"] is null, "the other's presence");
        await desk.Expect(e => e.Is("presence", Ns.Client) && e["from"] == phone.Jid && e["type"] is null, "the other's presence");
        await desk.Close();
        await phone.Expect(e => e.Is("presence", Ns.Client) && e["from"] == desk.Jid && e["type"] == "unavailable", "the other's leaving");
    }

    [Fact]
    public async Task What_one_device_has_acknowledged_is_not_taken_from_the_other()
    {
        var names = await cluster.Accounts("alice", "bob");
        await using var bob = await Chat.Appear(cluster, 3, names[1], "phone");
        await using (var desk = await Chat.Appear(cluster, 2, names[0], "desk")) await desk.Close();
        await using var phone = await Chat.Appear(cluster, 1, names[0], "phone");
        await bob.Say(phone.BareJid, "for both, one is away");
        await phone.Hear("for both, one is away");
        await phone.Close();

        await using var back = await Chat.Appear(cluster, 2, names[0], "desk");
        await back.Hear("for both, one is away");
    }
}
