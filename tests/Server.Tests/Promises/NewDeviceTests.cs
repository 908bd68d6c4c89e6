using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Indaba.Server.Tests.Promises;

/// <summary>Promise 2 for a device that has acked nothing yet: nothing leaves the pending table before the device has it.</summary>
public sealed class NewDeviceTests
{
    [Fact]
    public async Task A_device_that_was_there_before_a_crash_is_not_new_after_it()
    {
        await using var server = await ServerProcess.StartNew();
        await server.AddAccounts(["alice", "bob"]);
        await using var desk = await Managed(server, "bob", "desk");
        await using var phone = await Managed(server, "bob", "phone"); // acks nothing
        await using var alice = await Managed(server, "alice", "desk");
        for (var i = 0; i < 3; i++) await alice.Send($"<message xmlns='jabber:client' to='bob@localhost' type='chat' id='m{i}'><body>{i}</body></message>");
        await alice.AwaitAcks();
        for (var i = 0; i < 3; i++) await Hear(desk, i);
        await desk.SendRaw(desk.Link.Encode(desk.Sm!.Answer()));
        await HasCursor(server, "desk");
        await server.Kill();
        await server.Start();

        await using var again = await Managed(server, "bob", "phone");
        for (var i = 0; i < 3; i++) await Hear(again, i);
    }

    private static async Task<WireClient> Managed(TestServer server, string account, string resource)
    {
        var client = await WireClient.Login(server, account, resource);
        await client.EnableSm();
        await client.Appear();
        return client;
    }

    private static Task<Indaba.Xmpp.Xml.Element> Hear(WireClient client, int number) => client.Expect(e => e.Is("message", Ns.Client) && e["id"] == $"m{number}", $"message {number}");

    /// <summary>Until it is on disk what a device has acked.</summary>
    private static async Task HasCursor(TestServer server, string resource)
    {
        var file = Directory.EnumerateFiles(server.Folder, "indaba.db", SearchOption.AllDirectories).Single();
        await using var connection = new SqliteConnection($"Data Source={file};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using var limit = new CancellationTokenSource(WireClient.Limit);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM cursor WHERE resource = @resource AND acked_seq >= 3";
        command.Parameters.AddWithValue("@resource", resource);
        while ((long)command.ExecuteScalar()! == 0) limit.Token.ThrowIfCancellationRequested();
    }
}
