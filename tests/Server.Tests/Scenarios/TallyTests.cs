using Xunit;

namespace Indaba.Server.Tests.Scenarios;

public sealed class TallyTests
{
    private static readonly string Specs = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Scenarios", "specs.tsv"));

    [Fact]
    public void Every_source_exists() => Assert.Empty(Tally.Mistakes(ScenarioTests.All, Specs));

    [Fact]
    public void Titles_are_all_different() => Assert.Equal([], ScenarioTests.All.GroupBy(s => s.Title).Where(g => g.Count() > 1).Select(g => g.Key));

    [Fact]
    public void Every_account_and_client_is_used() => Assert.Equal([], ScenarioTests.All.SelectMany(s => s.Players.Keys.Where(p => !s.Steps.Exists(step => step.Text.StartsWith(p + " ", StringComparison.Ordinal))
        && !s.Steps.Exists(step => step.Block.Contains(s.Players[p].Account, StringComparison.Ordinal))).Select(p => $"{s.Path}: {p}")));

    [Fact]
    public void The_page_of_scenarios_is_current()
    {
        // UPDATE_DOCS=1 writes it.
        var page = Tally.Page(ScenarioTests.All, Specs);
        var file = Path.Combine(Repository(), "docs", "scenarios.md");
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1") File.WriteAllText(file, page);
        Assert.Equal(page, File.Exists(file) ? File.ReadAllText(file) : "");
    }

    private static string Repository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Indaba.slnx"))) return folder.FullName;
        }
        throw new DirectoryNotFoundException("the repository");
    }
}
