using System.Globalization;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Accounts;

/// <summary>
/// What happens at the same moment, many times over with another moment each time. The windows are a few microseconds
/// wide, so the service is called directly, on real sessions.
/// </summary>
public sealed class PresenceRaceTests(NodeFixture fixture) : IClassFixture<NodeFixture>
{
    private readonly RunningNode _server = fixture.Server;

    [Fact]
    public async Task A_session_that_ends_while_it_is_shown_is_taken_back_everywhere()
    {
        var user = await _server.NewAccount("user");
        var watchers = new List<WireClient>();
        try
        {
            for (var i = 0; i < 30; i++)
            {
                var watcher = await _server.NewAccount("watcher");
                await _server.Store(user, Item(watcher, Subscription.From));
                watchers.Add(await WireClient.Login(_server, watcher.Local!, "w"));
                await watchers[^1].Send("<presence/>");
            }
            await using var keeper = await WireClient.Login(_server, user.Local!, "keeper"); // the account stays
            var account = await _server.Account(user);
            for (var i = 0; i < 150; i++)
            {
                await using var client = await WireClient.Login(_server, user.Local!, $"r{i}");
                var session = account.Find($"r{i}")!;
                var presence = Presence(session, "here");
                await AtOnce(() => _server.Node.Presence.HandleAsync(session, presence).AsTask(), () => session.EndAsync(notifyPeers: true), i);
            }
            foreach (var watcher in watchers)
            {
                await watcher.Barrier();
                var ghosts = watcher.Inbox.Where(e => e.Name == "presence" && e["from"]!.StartsWith(user.ToString(), StringComparison.Ordinal))
                    .GroupBy(e => e["from"]).Where(g => g.Last()["type"] != "unavailable").Select(g => g.Key);
                Assert.Empty(ghosts);
            }
            Assert.Contains(watchers[0].Inbox, e => e["from"]?.StartsWith(user.ToString(), StringComparison.Ordinal) == true && e["type"] is null);
        }
        finally
        {
            foreach (var watcher in watchers) await watcher.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_presence_that_changes_while_it_is_shown_arrives_in_its_newest_form()
    {
        var (user, contact) = (await _server.NewAccount("user"), await _server.NewAccount("contact"));
        await _server.Store(user, Item(contact, Subscription.From));
        await using var own = await WireClient.Login(_server, user.Local!, "u");
        await own.Appear();
        await using var other = await WireClient.Login(_server, contact.Local!, "o");
        await other.Appear();
        var (account, contactAccount) = (await _server.Account(user), await _server.Account(contact));
        var session = account.Find("u")!;
        for (var i = 0; i < 3000; i++)
        {
            var presence = Presence(session, $"{i}");
            await AtOnce(() => _server.Node.Presence.HandleAsync(session, presence).AsTask(), () =>
            {
                _server.Node.Presence.Show(account, contactAccount.Jid);
                return Task.CompletedTask;
            }, i);
            if (i % 50 == 49) await other.Barrier();
        }
        await other.Barrier();
        // An old one may be seen for a moment; the newest of each step comes last, for the next begins when both are done.
        var seen = other.Inbox.Where(e => e.Name == "presence" && e["from"] == own.Jid).Select(e => int.Parse(e.ChildText("status", Ns.Client) ?? "-1", CultureInfo.InvariantCulture)).ToArray();
        for (var n = 0; n < 2999; n++) Assert.True(Array.LastIndexOf(seen, n) < Array.LastIndexOf(seen, n + 1), $"{n} came after {n + 1}");
        Assert.Equal(2999, seen[^1]);
    }

    private static RosterItem Item(Jid jid, Subscription subscription) => new(jid.ToString(), "", subscription, false, null, false, []);

    private static Presence Presence(Session session, string status)
    {
        var presence = new Presence(new Element("presence", Ns.Client).Add("status", Ns.Client, status));
        presence.From = session.Jid;
        return presence;
    }

    /// <summary>Starts both on two threads, one of them a little later than the other: by 0 to 60 µs, another time each.</summary>
    private static async Task AtOnce(Func<Task> one, Func<Task> other, int step)
    {
        using var start = new Barrier(2);
        var delay = step * 7 % 120 - 60;
        await Task.WhenAll(Task.Run(() => Begin(one, -delay)), Task.Run(() => Begin(other, delay)));

        Task Begin(Func<Task> work, int microseconds)
        {
            start.SignalAndWait();
            var until = System.Diagnostics.Stopwatch.GetTimestamp() + microseconds * System.Diagnostics.Stopwatch.Frequency / 1_000_000;
            while (System.Diagnostics.Stopwatch.GetTimestamp() < until) { }
            return work();
        }
    }
}
