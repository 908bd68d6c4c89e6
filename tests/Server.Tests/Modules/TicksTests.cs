using Indaba.Server.Mailbox;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>XEP-0184 and XEP-0333 as the server keeps them: two ticks mean that a client of that very peer said so.</summary>
public sealed class TicksTests(NodeServer server) : IClassFixture<NodeServer>
{
    [Fact]
    public async Task A_receipt_moves_delivered_and_a_marker_displayed_and_neither_moves_back()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var r = await server.Login(romeo, "orchard");
        await using var j = await server.Login(juliet, "chamber");
        var seqs = new List<long>();
        foreach (var id in new[] { "t1", "t2", "t3" }) seqs.Add(await Say(r, j, id));

        await Tick(j, r, $"<received xmlns='{Ns.Receipts}' id='t2'/>");
        Assert.Equal((seqs[1], 0L), await Conversation(romeo.Id, j));
        await Tick(j, r, $"<received xmlns='{Ns.Receipts}' id='t1'/>");
        Assert.Equal((seqs[1], 0L), await Conversation(romeo.Id, j));
        await Tick(j, r, $"<displayed xmlns='{Ns.ChatMarkers}' id='t3'/>");
        Assert.Equal((seqs[2], seqs[2]), await Conversation(romeo.Id, j));
        await Tick(j, r, $"<displayed xmlns='{Ns.ChatMarkers}' id='t1'/>");
        Assert.Equal((seqs[2], seqs[2]), await Conversation(romeo.Id, j));
        Assert.Equal(default, await Conversation(juliet.Id, r)); // who acknowledges is not acknowledged
    }

    [Fact]
    public async Task Only_the_peer_counts_and_only_what_was_sent_to_it()
    {
        var (romeo, juliet, tybalt) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"), await server.AddAccount("tybalt"));
        await using var r = await server.Login(romeo, "orchard");
        await using var j = await server.Login(juliet, "chamber");
        await using var t = await server.Login(tybalt, "street");
        await Say(r, j, "t1");
        await Say(j, r, "hers");
        await Tick(t, r, $"<received xmlns='{Ns.Receipts}' id='t1'/>");
        Assert.Equal(default, await Conversation(romeo.Id, j));
        Assert.Equal(default, await Conversation(romeo.Id, t));
        await Tick(j, r, $"<received xmlns='{Ns.Receipts}' id='hers'/>");   // her own message
        await Tick(j, r, $"<received xmlns='{Ns.Receipts}' id='unknown'/>");
        await Tick(j, r, $"<received xmlns='{Ns.Receipts}'/>");
        await Tick(j, r, $"<received xmlns='{Ns.Receipts}' id='{new string('x', 5000)}'/>");
        Assert.Equal(default, await Conversation(romeo.Id, j));
    }

    [Fact]
    public async Task An_error_that_repeats_a_receipt_is_none()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var r = await server.Login(romeo, "orchard");
        await using var j = await server.Login(juliet, "chamber");
        await Say(r, j, "t1");
        await j.Send($"<message to='{r.Jid}' type='error' id='e1'><received xmlns='{Ns.Receipts}' id='t1'/><error type='cancel'><service-unavailable xmlns='{Ns.StanzaErrors}'/></error></message>");
        Assert.Equal("e1", (await ArchiveTests.Message(r))["id"]);
        Assert.Equal(default, await Conversation(romeo.Id, j));
    }

    [Fact]
    public async Task A_receipt_counts_while_the_author_is_away_and_waits_for_him()
    {
        var (romeo, juliet) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"));
        await using var j = await server.Login(juliet, "chamber");
        long seq;
        await using (var r = await server.Login(romeo, "orchard"))
        {
            seq = await Say(r, j, "t1");
            await r.Close();
        }
        await j.Send($"<message to='{romeo.Local}@localhost' id='ack'><received xmlns='{Ns.Receipts}' id='t1'/></message>");
        await j.Barrier();
        Assert.Equal((seq, 0L), await Conversation(romeo.Id, j));
        await using var back = await server.Login(romeo, "orchard", appear: false);
        await back.Send("<presence/>");
        Assert.Equal("ack", (await ArchiveTests.Message(back))["id"]);
    }

    /// <summary>Sends a message and returns its place in the sender's log.</summary>
    private async Task<long> Say(WireClient from, WireClient to, string id)
    {
        await from.Send($"<message to='{to.BareJid}' type='chat' id='{id}'><body>{id}</body><request xmlns='{Ns.Receipts}'/></message>");
        Assert.Equal(id, (await ArchiveTests.Message(to))["id"]);
        await from.Barrier(); // its own copy is on disk too
        var account = (await server.Node.Accounts.LocateAsync(Xmpp.Jid.Parse(from.BareJid))).Account;
        return (await server.Node.Mailbox.FindByMessageIdAsync(account!.Id, to.BareJid, id, Direction.Out, 10, TestContext.Current.CancellationToken))!.Seq;
    }

    private static async Task Tick(WireClient from, WireClient to, string payload)
    {
        var id = "tick-" + from.NewId();
        await from.Send($"<message to='{to.BareJid}' id='{id}'>{payload}</message>");
        Assert.Equal(id, (await ArchiveTests.Message(to))["id"]);
    }

    private async Task<(long Delivered, long Displayed)> Conversation(long account, WireClient peer) =>
        await server.Node.Mailbox.Conversations.FindAsync(account, peer.BareJid, TestContext.Current.CancellationToken) is { } found ? (found.DeliveredSeq, found.DisplayedSeq) : default;
}
