using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Indaba.Server.Options;
using Indaba.Server.Streams;
using Indaba.Server.Tests.Accounts;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Xunit;

namespace Indaba.Server.Tests.Streams;

/// <summary>Admission at the wire: who is over the bound waits, who is over the queue is told when to come back, who is bound notices nothing.</summary>
public sealed partial class ReconnectStormTests
{
    private static Task<RunningNode> Start(int inFlight, int queue) => RunningNode.StartNew(o => o with
    {
        Tls = new TlsOptions { Port = new ListenPort(TestServer.FreePorts(1)[0]) },
        Http = new HttpOptions { Port = new ListenPort(TestServer.FreePorts(1)[0]), Bind = ["127.0.0.1"] },
        Limits = o.Limits with { LoginsInFlight = inFlight, LoginQueue = queue },
    });

    [Fact]
    public async Task Those_over_the_bound_wait_in_order_and_those_over_the_queue_are_told_when_to_come_back()
    {
        await using var server = await Start(inFlight: 2, queue: 3);
        await server.AddAccounts(["alice", "bob"]);
        await using var bound = await WireClient.Login(server, "bob", "phone");
        var places = new[] { await server.Node.Admission.EnterAsync(default), await server.Node.Admission.EnterAsync(default) };

        var waiting = new List<Task<WireClient>>();
        for (var i = 1; i <= 3; i++)
        {
            waiting.Add(WireClient.Login(server, "alice", $"r{i}"));
            await Until(() => server.Node.Admission.Waiting == i);
        }
        await TurnedAwayOverTcp(server);
        await TurnedAwayOverHttp(server);
        await TurnedAwayBeforeTls(server);
        await bound.Barrier(); // served meanwhile
        Assert.DoesNotContain(waiting, w => w.IsCompleted);

        foreach (var place in places) place!.Dispose();
        foreach (var client in await Task.WhenAll(waiting)) await client.DisposeAsync();
        Assert.Equal((0, 0), (server.Node.Admission.Waiting, server.Node.Admission.InFlight));
        await bound.Barrier();
        await server.StopNode();
    }

    private static async Task TurnedAwayOverTcp(TestServer server)
    {
        await using var client = await WireClient.Dial(server);
        var error = await client.Expect(e => e.Is("error", Ns.Stream), "a stream error"); // unasked: before anything is spent on it
        await client.ExpectEnd();
        Assert.NotNull(error.Child("resource-constraint", Ns.StreamErrors));
        Assert.Matches(ComeBack(), error.ChildText("text", Ns.StreamErrors));
    }

    private static async Task TurnedAwayOverHttp(RunningNode server)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{server.Node.Options.Http.Port.Number}/xmpp-websocket");
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Upgrade.Add(new ProductHeaderValue("websocket"));
        request.Headers.Add("Sec-WebSocket-Version", "13");
        request.Headers.Add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        request.Headers.Add("Sec-WebSocket-Protocol", "xmpp");
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 2, 120);
    }

    private static async Task TurnedAwayBeforeTls(RunningNode server)
    {
        using var limit = new CancellationTokenSource(WireClient.Limit);
        var port = server.Node.Options.Tls.Port.Number;
        await Assert.ThrowsAnyAsync<IOException>(() => TcpLink.Connect(server, port, "localhost", limit.Token)); // closed, no handshake
    }

    [Theory]
    [InlineData(Transport.Plain)]
    [InlineData(Transport.StartTls)]
    public async Task All_of_a_storm_get_in_and_a_bound_session_is_served_meanwhile(Transport transport)
    {
        const int devices = 60, accounts = 6;
        await using var server = await Start(inFlight: 2, queue: 8);
        await server.AddAccounts([.. Enumerable.Range(0, accounts).Select(i => $"user{i}"), "bob"]);
        await using var bound = await WireClient.Login(server, "bob", "phone");
        var told = 0;
        var storm = Task.WhenAll(Enumerable.Range(0, devices).Select(async i =>
        {
            while (true)
            {
                try
                {
                    return await WireClient.Login(server, $"user{i % accounts}", $"device{i}", transport);
                }
                catch (Exception e) when (e is WireException or IOException)
                {
                    // Told to come back, and the test does so at once: it is about the bound, not about patience.
                    if (e is WireException && !e.Message.Contains("resource-constraint", StringComparison.Ordinal) && !e.Message.Contains("the stream ended", StringComparison.Ordinal)) throw;
                    Interlocked.Increment(ref told);
                }
            }
        }));
        var most = 0;
        while (!storm.IsCompleted)
        {
            most = Math.Max(most, server.Node.Admission.InFlight);
            await bound.Barrier();
        }
        var clients = await storm;
        Assert.Equal(devices, clients.Select(c => c.Jid).Distinct().Count());
        Assert.InRange(most, 0, 2);
        Assert.True(told > 0, "nobody was over the queue: the storm was none");
        foreach (var client in clients)
        {
            await client.Barrier();
            await client.DisposeAsync();
        }
        await server.StopNode();
    }

    [Fact]
    public async Task A_client_that_goes_while_it_waits_makes_room_in_the_queue()
    {
        await using var server = await Start(inFlight: 1, queue: 1);
        await server.AddAccounts(["alice"]);
        using var place = await server.Node.Admission.EnterAsync(default);
        var login = WireClient.Connect(server);
        await using var client = await login;
        var authenticating = client.TryAuthenticate("alice", TestServer.Password);
        await Until(() => server.Node.Admission.Waiting == 1);
        client.Cut();
        await Until(() => server.Node.Admission.Waiting == 0);
        await Assert.ThrowsAnyAsync<Exception>(() => authenticating);
        await server.StopNode();
    }

    private static async Task Until(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(WireClient.Limit);
        while (!condition())
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    [GeneratedRegex("come back in [0-9]+ seconds$")]
    private static partial Regex ComeBack();
}
