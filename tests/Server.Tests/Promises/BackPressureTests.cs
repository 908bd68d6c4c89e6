using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Indaba.Server.Tests.Promises;

/// <summary>Promises 1 and 7 of docs/architecture.md: slow or dead parts make back-pressure, not loss, and nothing is acked that is not on disk.</summary>
public sealed partial class BackPressureTests
{
    private const int Window = 64;

    [Fact]
    public async Task A_client_that_never_reads_costs_a_bounded_queue_and_loses_nothing()
    {
        const int count = 3000;
        await using var server = await ServerProcess.StartNew("--set", "limits.bytesPerSecond=0", "--set", $"limits.unackedWindow={Window}");
        await server.AddAccounts(["alice", "bob"]);
        await using var bob = await WireClient.Login(server, "bob", "phone");
        await bob.Send($"<enable xmlns='{Ns.StreamManagement}'/>");
        await bob.Expect(e => e.Is("enabled", Ns.StreamManagement), "enabled");
        await bob.Appear();
        var stanzas = 1; // the own presence

        await using var alice = await WireClient.Login(server, "alice", "desk");
        var text = new string('x', 1000);
        for (var i = 0; i < count; i++) await alice.Send($"<message to='bob@localhost' type='chat' id='m{i}'><body>{i} {text}</body></message>");
        await alice.Barrier(); // answered in its turn: after the commits of all messages before it

        var (queue, unacked) = await HeldFor(server, "bob@localhost/phone");
        Assert.InRange(queue + unacked, 1, Window);

        for (var next = 0; next < count;)
        {
            var element = await bob.Next("the next message");
            stanzas++;
            if (element.Name != "message") continue;
            Assert.StartsWith($"{next++} ", element.ChildText("body", Ns.Client), StringComparison.Ordinal);
            if (stanzas % 16 == 0) await bob.Send(new Element("a", Ns.StreamManagement).With("h", stanzas.ToString(CultureInfo.InvariantCulture)));
        }
        await bob.ExpectNothing();
    }

    [Fact]
    public async Task While_the_database_cannot_commit_nothing_is_acked_nor_delivered_and_the_server_lives()
    {
        await using var server = await ServerProcess.StartNew();
        await server.AddAccounts(["alice", "bob"]);
        await using var bob = await WireClient.Login(server, "bob", "phone");
        await bob.Appear();
        await using (var alice = await ManagedLogin(server))
        {
            await using var hold = HoldDatabase(server);
            await SendAndAsk(alice, "m1");
            await WaitsForItsCommit(server);
            await bob.ExpectNothing(); // and bob's ping is answered meanwhile
            await server.Kill();
            await alice.ExpectEnd();
            Assert.DoesNotContain(alice.Inbox, e => e.Is("a", Ns.StreamManagement));
        }
        await server.Start();
        await using var bobAgain = await WireClient.Login(server, "bob", "phone");
        await bobAgain.Appear();
        await using var aliceAgain = await ManagedLogin(server);
        await using (HoldDatabase(server))
        {
            await SendAndAsk(aliceAgain, "m2");
            await WaitsForItsCommit(server);
            await bobAgain.ExpectNothing();
        }
        await aliceAgain.Expect(e => e.Is("a", Ns.StreamManagement) && e["h"] == "1", "the ack, once the commit was possible");
        var message = await bobAgain.Expect(e => e.Is("message", Ns.Client), "the message");
        Assert.Equal("m2", message["id"]);
        await bobAgain.ExpectNothing();
    }

    [Fact]
    public async Task A_server_that_cannot_commit_still_stops_and_has_acked_nothing()
    {
        await using var server = await ServerProcess.StartNew();
        await server.AddAccounts(["alice", "bob"]);
        await using var alice = await ManagedLogin(server);
        await using var hold = HoldDatabase(server);
        await SendAndAsk(alice, "m1");
        await WaitsForItsCommit(server);
        await server.Stop(); // fails when the process does not end
        await alice.ExpectEnd();
        Assert.DoesNotContain(alice.Inbox, e => e.Is("a", Ns.StreamManagement));
    }

    private static async Task<WireClient> ManagedLogin(TestServer server)
    {
        var alice = await WireClient.Login(server, "alice", "desk");
        await alice.Send($"<enable xmlns='{Ns.StreamManagement}'/>");
        await alice.Expect(e => e.Is("enabled", Ns.StreamManagement), "enabled");
        return alice;
    }

    private static async Task SendAndAsk(WireClient alice, string id)
    {
        await alice.Send($"<message to='bob@localhost' type='chat' id='{id}'><body>one tick is a commit</body></message>");
        await alice.Send($"<r xmlns='{Ns.StreamManagement}'/>");
    }

    /// <summary>Until the message stands before the disk: the server has taken it and cannot commit it.</summary>
    private static async Task WaitsForItsCommit(ServerProcess server)
    {
        using var limit = new CancellationTokenSource(WireClient.Limit);
        while (!Queue().IsMatch(await server.Command("metrics"))) limit.Token.ThrowIfCancellationRequested();
    }

    [GeneratedRegex(@"^indaba_mailbox_queue[^\n ]* [1-9]", RegexOptions.Multiline)]
    private static partial Regex Queue();

    /// <summary>Takes the database's write lock, as a slow disk or a long transaction of somebody else would.</summary>
    private static SqliteConnection HoldDatabase(TestServer server)
    {
        var file = Directory.EnumerateFiles(server.Folder, "indaba.db", SearchOption.AllDirectories).Single();
        var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        connection.Open();
        using var begin = connection.CreateCommand();
        begin.CommandText = "BEGIN IMMEDIATE";
        begin.ExecuteNonQuery();
        return connection; // closing it rolls back
    }

    private static async Task<(int Queue, int Unacked)> HeldFor(ServerProcess server, string jid)
    {
        using var json = JsonDocument.Parse(await server.Command("sessions", "--json"));
        var row = json.RootElement.GetProperty("sessions").EnumerateArray().Single(s => s.GetProperty("jid").GetString() == jid);
        return (row.GetProperty("queue").GetInt32(), row.GetProperty("unacked").GetInt32());
    }
}
