using Xunit;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>Each file of scenarios is a test; its name is the title. SCENARIO=text runs only those whose path contains the text.</summary>
public sealed class ScenarioTests(ScenarioServer server)
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Scenarios");
    private static readonly Lazy<IReadOnlyList<Scenario>> Loaded = new(() => [.. Directory.EnumerateFiles(Folder, "*.scs", SearchOption.AllDirectories)
        .Select(f => Scenario.Parse(Path.GetRelativePath(Folder, f), File.ReadAllText(f)))
        .OrderBy(s => s.Path, StringComparer.Ordinal)]);

    /// <summary>All scenarios.</summary>
    internal static IReadOnlyList<Scenario> All => Loaded.Value;

    private static IReadOnlyList<Scenario> Chosen => Environment.GetEnvironmentVariable("SCENARIO") is { } text
        ? [.. All.Where(s => s.Path.Contains(text, StringComparison.Ordinal))]
        : All;

    /// <summary>The rows.</summary>
    public static IEnumerable<TheoryDataRow<string>> Rows => Chosen.Select(s => new TheoryDataRow<string>(s.Path)
    {
        TestDisplayName = $"{s.Path}: {s.Title}",
        Skip = s.SkipReason(ScenarioServer.ServerName),
    });

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Plays(string path) => server.Outcome(path, [.. Chosen.Where(s => s.SkipReason(ScenarioServer.ServerName) is null)]);
}
