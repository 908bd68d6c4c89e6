using Indaba.Server.Admin;
using Indaba.Server.Tests.Storage;
using Indaba.Server.Tests.Wire;
using Microsoft.Data.Sqlite;
using System.Text.Json;
using Xunit;

namespace Indaba.Server.Tests.Cluster;

/// <summary>A running server tells how it is, also when its database cannot be written.</summary>
public sealed class NodeRegistryTests
{
    [Fact]
    public async Task A_database_that_cannot_be_written_holds_up_no_command_no_login_and_no_stop()
    {
        await using var server = await ServerProcess.StartNew();
        await server.AddAccounts(["alice"]);
        await using (var before = await WireClient.Login(server, "alice", "phone")) await before.Close(); // a device that is new has to be written down
        await using (var connection = new SqliteConnection($"Data Source={Path.Combine(server.Folder, "indaba.db")};Pooling=False"))
        {
            connection.Open();
            using var begin = connection.CreateCommand();
            begin.CommandText = "BEGIN IMMEDIATE";
            begin.ExecuteNonQuery();
            await using var alice = await WireClient.Login(server, "alice", "phone");
            await server.Command("drain"); // a new state is written at once: it waits for the lock
            var node = Assert.Single(JsonSerializer.Deserialize(await server.Command("cluster", "--json"), AdminJson.Default.NodeList)!.Nodes);
            Assert.Equal(("draining", true), (node.State, node.ThisOne));
            await alice.Barrier();
            Assert.Equal(0, await server.Stop());
        }
    }

    [Fact]
    public async Task A_node_that_was_killed_is_not_shown_to_its_successor()
    {
        await using var server = await ServerProcess.StartNew();
        await server.Kill();
        await server.Start();
        using var limit = new CancellationTokenSource(TestData.Limit);
        while (JsonSerializer.Deserialize(await server.Command("cluster", "--json"), AdminJson.Default.NodeList)!.Nodes is not [{ ThisOne: true }]) limit.Token.ThrowIfCancellationRequested();
    }
}
