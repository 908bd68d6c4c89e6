using Indaba.Server.Cluster;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Options;
using Indaba.Server.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Indaba.Server.Tests.Cluster;

/// <summary>Settings in the database: below each node's own, the same sentences for mistakes, followed by every node.</summary>
public sealed class SharedSettingsTests : IAsyncLifetime
{
    private readonly Folder _folder = new();
    private TestData _data = null!;

    public async ValueTask InitializeAsync() => _data = await TestData.NewAsync(Store.Sqlite);

    public async ValueTask DisposeAsync()
    {
        await _data.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>A node with its own file on the common database.</summary>
    private (Settings Settings, SharedSettings Shared) Node(string file, string json, params CommandLineSetting[] commandLine)
    {
        var source = new SettingsSource(commandLine, _folder.Write(file, json), new Dictionary<string, string> { ["INDABA_LIMITS__ROSTERITEMS"] = "22" });
        var settings = new Settings(source, source.Load());
        return (settings, new SharedSettings(new SettingStore(_data.Database), settings, _data.Time, NullLogger.Instance));
    }

    [Fact]
    public async Task What_one_node_sets_all_nodes_have_below_what_is_their_own()
    {
        var (here, hereShared) = Node("a.json", """{ "limits": { "maxDepth": 20 } }""", new CommandLineSetting("limits.unackedWindow", "99", "--set"));
        var (there, thereShared) = Node("b.json", "{}");
        foreach (var (name, value) in new[] { ("limits.ARCHIVEPAGE", "100"), ("limits.maxDepth", "30"), ("limits.rosterItems", "33"), ("limits.unackedWindow", "55"), ("logging.categories.Orleans", "error") })
            Assert.Empty((await hereShared.SetAsync(name, value, "anna", default)).Mistakes);
        await thereShared.PollAsync(default);
        Assert.Equal((100, 20, 22, 99), (here.Current.Limits.ArchivePage, here.Current.Limits.MaxDepth, here.Current.Limits.RosterItems, here.Current.Limits.UnackedWindow));
        Assert.Equal((100, 30, 22, 55), (there.Current.Limits.ArchivePage, there.Current.Limits.MaxDepth, there.Current.Limits.RosterItems, there.Current.Limits.UnackedWindow));
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Error, there.Current.Logging.Categories["Orleans"]);
        Assert.Contains(("limits.archivePage", "100", "anna"), (await thereShared.ListAsync(default)).Select(s => (s.Name, s.Value, s.SetBy)));

        Assert.Null(await hereShared.UnsetAsync("limits.maxStanzaBytes", "anna", default));
        Assert.Equal("default", (await hereShared.UnsetAsync("limits.archivePage", "anna", default))!.Origin);
        await thereShared.PollAsync(default);
        Assert.Equal(new LimitsOptions().ArchivePage, there.Current.Limits.ArchivePage);
    }

    [Fact]
    public async Task The_answer_says_where_this_nodes_value_comes_from_and_when_it_holds()
    {
        var (_, shared) = Node("a.json", """{ "limits": { "maxDepth": 20 } }""");
        var own = await shared.SetAsync("limits.maxDepth", "30", "anna", default);
        Assert.Equal(("20", false, _folder.File("a.json")), (own.Value, own.Waits, own.Origin));
        var later = await shared.SetAsync("http.port", "8080", "anna", default);
        Assert.Equal(("8080", true, "the database"), (later.Value, later.Waits, later.Origin));
    }

    [Theory]
    [InlineData("limits.maxDepth", "many", "'limits.maxDepth' is a whole number, not 'many' (the database)")]
    [InlineData("limits.maxDept", "9", "unknown setting 'limits.maxDept': did you mean 'limits.maxDepth'? (the database)")]
    [InlineData("limits", "9", "'limits' is a group of settings, not one (the database)")]
    [InlineData("limits.maxStanzaBytesUnauthenticated", "262144", null)]
    [InlineData("publicUrl", "ftp://x/", "'publicUrl' must begin with https:// or http://, not 'ftp://x/'")]
    [InlineData("dataDirectory", "/x", "'dataDirectory' cannot be set for all nodes: each node has its own, in its file, environment or command line")]
    [InlineData("cluster.address", "10.0.0.1", "'cluster.address' cannot be set for all nodes: each node has its own, in its file, environment or command line")]
    [InlineData("DATABASE.postgresql", "Host=x", "'database.postgreSql' cannot be set for all nodes: a secret does not belong in the database")]
    [InlineData("certificate.password", "x", "'certificate.password' cannot be set for all nodes: a secret does not belong in the database")]
    public async Task A_mistake_is_told_in_the_words_of_the_file_and_stores_nothing(string name, string value, string? sentence)
    {
        var (_, shared) = Node("a.json", "{}");
        Assert.Equal(sentence is null ? [] : [sentence], (await shared.SetAsync(name, value, "anna", default)).Mistakes);
        Assert.Equal(sentence is null ? 1 : 0, (await shared.ListAsync(default)).Count);
    }

    [Fact]
    public async Task At_the_start_what_needs_a_restart_is_taken_too()
    {
        var (_, first) = Node("a.json", "{}");
        await first.SetAsync("http.port", "8080", "anna", default);
        var (settings, shared) = Node("b.json", "{}");
        await shared.BeginAsync(default);
        Assert.Equal(8080, settings.Current.Http.Port.Number);
        Assert.Equal(5280, Node("c.json", "{}").Settings.Current.Http.Port.Number);
    }

    [Fact]
    public async Task What_another_version_has_stored_or_what_does_not_fit_a_nodes_own_keeps_no_node_from_starting()
    {
        var store = new SettingStore(_data.Database);
        foreach (var (name, value) in new[] { ("limits.ofTomorrow", "1"), ("limits.maxDepth", "1000000"), ("limits.archivePage", "77") })
            await store.SetAsync(new StoredSetting(name, value, default, "a newer node"));
        var (settings, shared) = Node("a.json", "{}");
        await shared.BeginAsync(default);
        Assert.Equal((77, new LimitsOptions().MaxDepth), (settings.Current.Limits.ArchivePage, settings.Current.Limits.MaxDepth));
        Assert.Equal(2, settings.Wanted!.SharedMistakes.Count);

        await store.SetAsync(new StoredSetting("http.port", "6000", default, "anna"));
        var (clashing, clashingShared) = Node("b.json", """{ "https": { "port": 6000 }, "limits": { "rosterItems": 9 } }""");
        await clashingShared.BeginAsync(default);
        Assert.Equal((5280, 6000), (clashing.Current.Http.Port.Number, clashing.Current.Https.Port.Number));
    }
}
