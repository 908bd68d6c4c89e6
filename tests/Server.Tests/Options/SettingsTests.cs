using Indaba.Server.Options;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Indaba.Server.Tests.Options;

public sealed class SettingsTests : IDisposable
{
    private readonly Folder _folder = new();
    private readonly Lines _log = new();

    public void Dispose() => _folder.Dispose();

    private Settings Start(string json)
    {
        var source = new SettingsSource(null, _folder.Write("i.json", json), new Dictionary<string, string>());
        var loaded = source.Load();
        Assert.Empty(loaded.Mistakes);
        return new Settings(source, loaded);
    }

    [Fact]
    public void A_changed_file_gives_new_values_and_says_which()
    {
        var settings = Start("""{ "limits": { "maxDepth": 20 } }""");
        SettingsChange? change = null;
        settings.Changed += c => change = c;
        _folder.Write("i.json", """{ "limits": { "maxDepth": 30 }, "logging": { "level": "debug" } }""");
        var reloaded = settings.Reload(_log);
        Assert.Equal(["limits.maxDepth", "logging.level"], reloaded.Changed);
        Assert.Equal(30, settings.Current.Limits.MaxDepth);
        Assert.Equal((20, 30), (change!.Old.Limits.MaxDepth, change.New.Limits.MaxDepth));
        Assert.Contains(_log.All, l => l.Contains("limits.maxDepth = 30", StringComparison.Ordinal));
    }

    [Fact]
    public void A_broken_file_keeps_the_old_values()
    {
        var settings = Start("""{ "limits": { "maxDepth": 20 } }""");
        settings.Changed += _ => Assert.Fail("nothing has changed");
        _folder.Write("i.json", """{ "limits": { "maxDepth": 30, "maxStanzaBytes": "many" } }""");
        Assert.Single(settings.Reload(_log).Mistakes);
        _folder.Write("i.json", """{ "limits": """);
        Assert.Single(settings.Reload(_log).Mistakes);
        Assert.Equal(20, settings.Current.Limits.MaxDepth);
        Assert.Equal(2, _log.All.Count(l => l.StartsWith("Warning: The settings were not reloaded", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_needs_a_restart_keeps_its_value_and_is_said_once()
    {
        var settings = Start("""{ "domain": "a.example" }""");
        var changes = 0;
        settings.Changed += _ => changes++;
        _folder.Write("i.json", """{ "domain": "b.example", "c2s": { "port": 1 } }""");
        Assert.Equal(["domain", "c2s.port"], settings.Reload(_log).Waiting);
        settings.Reload(_log);
        Assert.Equal(("a.example", 5222, 0), (settings.Current.Domain, settings.Current.C2s.Port.Number, changes));
        Assert.Equal(["Warning: domain = b.example takes effect at the next start", "Warning: c2s.port = 1 takes effect at the next start"], _log.All);
        _folder.Write("i.json", """{ "domain": "b.example", "limits": { "maxDepth": 9 } }""");
        settings.Reload(_log);
        Assert.Equal(("a.example", 9, 1), (settings.Current.Domain, settings.Current.Limits.MaxDepth, changes));
    }

    [Fact]
    public void One_part_that_fails_does_not_keep_the_others_from_the_change()
    {
        var settings = Start("{}");
        var told = 0;
        settings.Changed += _ => throw new InvalidOperationException("broken");
        settings.Changed += _ => told++;
        _folder.Write("i.json", """{ "limits": { "maxDepth": 9 } }""");
        settings.Reload(_log);
        Assert.Equal(1, told);
        Assert.Contains(_log.All, l => l.StartsWith("Error:", StringComparison.Ordinal));
    }

    [Fact]
    public void A_value_taken_out_of_the_file_falls_back_to_the_default()
    {
        var settings = Start("""{ "limits": { "maxDepth": 20 } }""");
        _folder.Write("i.json", "{}");
        settings.Reload(_log);
        Assert.Equal(new LimitsOptions().MaxDepth, settings.Current.Limits.MaxDepth);
    }

    /// <summary>Keeps what is logged.</summary>
    internal sealed class Lines : ILogger
    {
        public List<string> All { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (All) All.Add($"{logLevel}: {formatter(state, exception)}");
        }
    }
}
