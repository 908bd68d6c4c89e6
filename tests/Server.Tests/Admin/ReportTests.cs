using System.Text.Json;
using Indaba.Server.Admin;
using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Xunit;

namespace Indaba.Server.Tests.Admin;

/// <summary>Where are my messages: what waits, and the life of one, over real logs.</summary>
public sealed class ReportTests : IAsyncLifetime
{
    private SmallServer _server = null!;
    private AccountRow _romeo = null!, _juliet = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await SmallServer.StartAsync();
        _romeo = (await _server.Accounts.CreateAsync("romeo", "secret", Role.User)).Account!;
        _juliet = (await _server.Accounts.CreateAsync("juliet", "secret", Role.User)).Account!;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>Romeo writes to Juliet: both copies, as the server commits them.</summary>
    private async Task SendAsync(long seq, string? id = null, string? target = null)
    {
        OneAppend[] both =
        [
            new() { Entry = Entry(_juliet, seq, Direction.In, "romeo@localhost", id, target) },
            new() { Entry = Entry(_romeo, seq + 100, Direction.Out, "juliet@localhost", id, target) },
        ];
        foreach (var append in both) _server.Mailbox.Enqueue(append);
        foreach (var append in both) await append.Done.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private LogEntry Entry(AccountRow account, long seq, Direction direction, string peer, string? id, string? target) => new()
    {
        Account = account.Id, Seq = seq, Direction = direction, Flags = EntryFlags.Archived | (direction == Direction.In ? EntryFlags.Pending : EntryFlags.None),
        Peer = peer, Sender = "romeo@localhost/orchard", MessageId = id, Target = target, At = _server.Clock.Now.ToUnixTimeMilliseconds(),
        Stanza = "<message><body>parting is such sweet sorrow</body></message>"u8.ToArray(),
    };

    private async Task<IReadOnlyList<PendingInfo>> PendingAsync(params string[] account) =>
        JsonSerializer.Deserialize((await _server.Indaba(["pending", .. account, "--json"])).Out, AdminJson.Default.PendingList)!.Pending;

    [Fact]
    public async Task What_no_device_has_waits_for_whoever_comes_first()
    {
        for (var i = 1; i <= 3; i++) await SendAsync(i);
        var one = Assert.Single(await PendingAsync());
        Assert.Equal(("juliet@localhost", null, 3, false, false), (one.Jid, one.Device, one.Waiting, one.More, one.Connected));
        Assert.Empty(await PendingAsync("romeo"));
        var (_, output, _) = await _server.Indaba("pending");
        Assert.Contains("whoever comes first", output, StringComparison.Ordinal);
        Assert.DoesNotContain("sorrow", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_device_waits_for_what_lies_beyond_its_cursor()
    {
        for (var i = 1; i <= 5; i++) await SendAsync(i);
        await SendAsync(6, target: "phone");
        _server.Mailbox.Cursors.Move(_juliet.Id, "ua:phone", "phone", 2);
        _server.Mailbox.Cursors.Move(_juliet.Id, "ua:desk", "desk", 4);
        var rows = (await PendingAsync("juliet")).ToDictionary(p => p.Device ?? "nobody", p => p.Waiting);
        // Number 5 nobody has; 6 is the phone's alone.
        Assert.Equal(new Dictionary<string, int> { ["nobody"] = 2, ["ua:phone"] = 4, ["ua:desk"] = 1 }, rows);
        _server.Mailbox.Cursors.Move(_juliet.Id, "ua:phone", "phone", 6);
        Assert.Equal(["ua:desk"], (await PendingAsync("juliet")).Select(p => p.Device));
    }

    [Fact]
    public async Task The_life_of_a_message_is_found_from_either_copy_and_by_the_client_s_id()
    {
        await SendAsync(7, "first");
        await SendAsync(8, "second");
        _server.Mailbox.Cursors.Move(_juliet.Id, "ua:phone", "phone", 7);
        _server.Mailbox.Cursors.Move(_juliet.Id, "ua:desk", "desk", 8);
        var seen = _server.Clock.Now.AddMinutes(1).ToUnixTimeMilliseconds();
        _server.Mailbox.Conversations.Delivered(_romeo.Id, "juliet@localhost", 108, seen);
        _server.Mailbox.Conversations.Displayed(_romeo.Id, "juliet@localhost", 107, seen);
        var sent = StanzaIds.Format(_romeo.Tag, 108);
        var taken = StanzaIds.Format(_juliet.Tag, 8);

        foreach (var command in new[] { new[] { "message", sent }, ["message", taken], ["message", "second", "--account", "juliet"], ["message", "second", "--account", "romeo@localhost"] })
        {
            var (code, output, _) = await _server.Indaba([.. command, "--json"]);
            Assert.Equal(0, code);
            Assert.DoesNotContain("sorrow", output, StringComparison.Ordinal);
            var life = JsonSerializer.Deserialize(output, AdminJson.Default.MessageInfo)!;
            Assert.Equal(("romeo@localhost/orchard", "juliet@localhost", sent, taken, "second"), (life.From, life.To, life.SenderCopy, life.RecipientCopy, life.MessageId));
            Assert.Equal(_server.Clock.Now.ToUnixTimeMilliseconds(), life.Committed.ToUnixTimeMilliseconds());
            Assert.Equal(seen, life.Received!.Value.ToUnixTimeMilliseconds());
            Assert.Null(life.Displayed);
            Assert.Equal([("ua:desk", "acked"), ("ua:phone", "waiting")], life.Devices.Select(d => (d.Device, d.State)).Order());
        }
        var text = (await _server.Indaba("message", sent)).Out;
        Assert.Contains("displayed  not yet", text, StringComparison.Ordinal);
        Assert.Contains("ua:phone (phone)  waiting", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_message_without_an_id_is_found_by_the_server_s()
    {
        await SendAsync(9);
        var life = JsonSerializer.Deserialize((await _server.Indaba("message", StanzaIds.Format(_juliet.Tag, 9), "--json")).Out, AdminJson.Default.MessageInfo)!;
        Assert.Equal((StanzaIds.Format(_juliet.Tag, 9), null, 0), (life.RecipientCopy, life.SenderCopy, life.Devices.Count));
    }

    private sealed class OneAppend : Append
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override void Committed() => Done.SetResult();

        public override void Failed(Exception error) => Done.SetException(error);
    }
}
