using System.Text.Json;
using System.Text.RegularExpressions;
using Indaba.Server.Tests.Wire;
using Xunit;

namespace Indaba.Server.Tests.Telemetry;

/// <summary>The dashboard and the alert rules that are shipped speak of metrics that a running server exports, and of no others.</summary>
public sealed partial class DashboardTests : IAsyncLifetime
{
    private ServerProcess _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await ServerProcess.StartNew("--set", "http.metrics=true");
        await _server.AddAccounts(["alice", "bob"]);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("grafana-dashboard.json")]
    [InlineData("prometheus-alerts.yml")]
    public async Task Every_metric_is_exported_by_a_running_server(string file)
    {
        await using var alice = await WireClient.Login(_server, "alice", "phone");
        await alice.Appear();
        using var http = new HttpClient();
        var page = await http.GetStringAsync(new Uri($"http://127.0.0.1:{_server.HttpPort}/metrics"));
        var exported = Sample().Matches(page).Select(m => m.Groups["name"].Value).ToHashSet();
        var wanted = Metric().Matches(await File.ReadAllTextAsync(Path.Combine(Folder(), file), TestContext.Current.CancellationToken)).Select(m => m.Value).ToHashSet();
        Assert.True(wanted.Count >= 5, "hardly any metric was found in the file: the pattern is wrong");
        Assert.Empty(wanted.Except(exported));
    }

    [Fact]
    public async Task A_message_is_counted_from_the_client_to_the_device()
    {
        await using var alice = await WireClient.Login(_server, "alice", "phone");
        await using var bob = await WireClient.Login(_server, "bob", "phone");
        await bob.Appear();
        await alice.Send("<message to='bob@localhost' type='chat' id='m1'><body>hello</body></message>");
        await alice.Send("<message to='bob@localhost' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/></message>");
        await alice.Barrier();
        await bob.Expect(e => e["id"] == "m1", "the message");
        var metrics = await _server.Command("metrics");
        foreach (var line in new[]
        {
            "indaba_messages_submitted_total 2", "indaba_message_ack_duration_seconds_count 1", "indaba_messages_delivered_total 1", "indaba_accounts_held 2",
            "indaba_node_state{state=\"serving\"} 1", "indaba_node_state{state=\"draining\"} 0", "indaba_sessions{state=\"Live\",transport=\"tcp\"} 1",
        })
            Assert.Contains(line, metrics.Split('\n'));
    }

    [Fact]
    public void The_dashboard_is_one_that_Grafana_reads()
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder(), "grafana-dashboard.json")));
        var root = dashboard.RootElement;
        Assert.True(root.GetProperty("schemaVersion").GetInt32() >= 42);
        var panels = root.GetProperty("panels").EnumerateArray().ToArray();
        Assert.Equal(panels.Length, panels.Select(p => p.GetProperty("id").GetInt32()).Distinct().Count());
        foreach (var panel in panels.Where(p => p.GetProperty("type").GetString() != "row"))
        {
            Assert.NotEmpty(panel.GetProperty("targets").EnumerateArray());
            var place = panel.GetProperty("gridPos");
            Assert.InRange(place.GetProperty("x").GetInt32() + place.GetProperty("w").GetInt32(), 1, 24);
        }
    }

    internal static string Folder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Indaba.slnx"))) return Path.Combine(folder.FullName, "deploy");
        }
        throw new FileNotFoundException("Indaba.slnx is in no folder above the tests");
    }

    [GeneratedRegex(@"^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)[{ ]", RegexOptions.Multiline)]
    private static partial Regex Sample();

    [GeneratedRegex(@"\b(?:indaba|dotnet|kestrel)_[a-z0-9_]+\b")]
    private static partial Regex Metric();
}
