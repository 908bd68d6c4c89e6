using System.Text.Json;
using Indaba.Server.Admin;
using Indaba.Server.Tests.Wire;
using Xunit;

namespace Indaba.Server.Tests.Admin;

/// <summary>The operator's view of a server with clients on it: the shipped binary, its command line, and the wire.</summary>
public sealed class OperatorTests : IAsyncLifetime
{
    private ServerProcess _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await ServerProcess.StartNew();
        await _server.AddAccounts(["alice", "bob"]);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task<SessionList> SessionsAsync() => JsonSerializer.Deserialize(await _server.Command("sessions", "--json"), AdminJson.Default.SessionList)!;

    private async Task<MessageInfo> LifeAsync(string id, string account) => JsonSerializer.Deserialize(await _server.Command("message", id, "--account", account, "--json"), AdminJson.Default.MessageInfo)!;

    [Fact]
    public async Task The_process_table_shows_who_is_served()
    {
        await using var alice = await WireClient.Login(_server, "alice", "phone");
        var session = Assert.Single((await SessionsAsync()).Sessions);
        Assert.Equal(("alice@localhost/phone", "r:phone", "tcp", 0), (session.Jid, session.Device, session.Transport, session.Queue));
        Assert.StartsWith("127.0.0.1:", session.Address, StringComparison.Ordinal);
        Assert.Contains("alice@localhost/phone", await _server.Command("sessions"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_setting_for_all_nodes_is_in_force_at_once_and_after_the_next_start()
    {
        Assert.Contains("in force here", await _server.Command("settings", "set", "limits.archivePage", "100"), StringComparison.Ordinal);
        Assert.Matches(@"limits\.archivePage +100 +the database", await _server.Command("settings"));
        var refused = await Assert.ThrowsAsync<WireException>(() => _server.Command("settings", "set", "limits.archivePage", "many"));
        Assert.Contains("exit code 2", refused.Message, StringComparison.Ordinal);
        Assert.Contains("at the next start", await _server.Command("settings", "set", "http.bind", "127.0.0.1"), StringComparison.Ordinal);
        Assert.Contains("keeps its own value", await _server.Command("settings", "set", "c2s.port", "5"), StringComparison.Ordinal);
        Assert.Equal(0, await _server.Stop());
        await _server.Start();
        Assert.Contains("nothing has changed", await _server.Command("reload"), StringComparison.Ordinal); // what waited for the start is in force
        Assert.Contains("now 250, from default", await _server.Command("settings", "unset", "limits.archivePage"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_password_or_a_lock_ends_the_sessions_at_once()
    {
        await using var alice = await WireClient.Login(_server, "alice", "phone");
        await _server.Command("user", "passwd", "alice", "--password", "another");
        Assert.Equal("not-authorized", await alice.ExpectStreamError());
        Assert.Empty((await SessionsAsync()).Sessions);
        await Assert.ThrowsAnyAsync<Exception>(() => WireClient.Login(_server, "alice", "phone"));
        await using var again = await WireClient.Login(_server, "alice", "phone", password: "another");
        await _server.Command("user", "disable", "alice");
        Assert.Equal("not-authorized", await again.ExpectStreamError());
        await Assert.ThrowsAnyAsync<Exception>(() => WireClient.Login(_server, "alice", "phone", password: "another"));
        await _server.Command("user", "enable", "alice");
        await using var last = await WireClient.Login(_server, "alice", "phone", password: "another");
        await last.Barrier();
    }

    [Fact]
    public async Task A_message_is_followed_from_the_commit_to_the_device()
    {
        await using var alice = await WireClient.Login(_server, "alice", "phone");
        await alice.Appear();
        await alice.Send("<message to='bob@localhost' type='chat' id='where-are-you'><body>a secret</body></message>");
        await alice.Barrier();

        var waiting = await LifeAsync("where-are-you", "alice");
        Assert.Equal(("alice@localhost/phone", "bob@localhost", 0), (waiting.From, waiting.To, waiting.Devices.Count));
        Assert.NotNull(waiting.RecipientCopy);
        var pending = Assert.Single(JsonSerializer.Deserialize(await _server.Command("pending", "bob", "--json"), AdminJson.Default.PendingList)!.Pending);
        Assert.Equal((null, 1, false), (pending.Device, pending.Waiting, pending.Connected));

        await using (var bob = await WireClient.Login(_server, "bob", "desk"))
        {
            await bob.Appear();
            await bob.Expect(e => e.Name == "message", "the message");
            await bob.Send("<message to='alice@localhost/phone' type='chat'><received xmlns='urn:xmpp:receipts' id='where-are-you'/></message>");
            await bob.Barrier();
            await bob.Close();
        }
        var text = await _server.Command("message", waiting.RecipientCopy!);
        Assert.Contains("alice@localhost/phone", text, StringComparison.Ordinal);
        Assert.DoesNotContain("a secret", text, StringComparison.Ordinal);
    }
}
