using System.Globalization;
using System.Text;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>Counts which examples of which specification stand as scenarios, and writes docs/scenarios.md.</summary>
internal static class Tally
{
    /// <summary>A specification in scope: its name, title and number of examples, as <c>specs.tsv</c> says.</summary>
    private sealed record Spec(string Name, string Title, int Examples);

    /// <summary>The page.</summary>
    public static string Page(IReadOnlyList<Scenario> scenarios, string specs)
    {
        var page = new StringBuilder();
        page.Append("""
            # Scenarios

            Made from the scenarios themselves (`tests/Server.Tests/Scenarios`); a test holds it current. Each scenario is played at the wire against the server as it is built, all of them side by side. An example counts when a scenario names it as a source: it plays what the example shows. Examples that only clients, rooms or other servers play, and such as show an alternative, are not played. Beside the scenarios, `RoutingTests` plays each cell of the table of RFC 6121 section 8.5, `SubscriptionTests` each of appendix A, and `AuthenticationTests` what needs arithmetic: SCRAM, channel binding, XEP-0484, and host-meta of XEP-0156.


            """);
        page.Append(CultureInfo.InvariantCulture, $"{scenarios.Count} scenarios.\n\n| specification | title | examples played | of | scenarios |\n|---|---|---|---|---|\n");
        var all = Read(specs).ToList();
        foreach (var spec in all)
        {
            var played = scenarios.SelectMany(s => s.Sources).Where(s => s.Spec == spec.Name && s.Example is not null).Select(s => s.Example).Distinct().Count();
            var count = scenarios.Count(s => s.Sources.Exists(source => source.Spec == spec.Name));
            page.Append(CultureInfo.InvariantCulture, $"| {spec.Name} | {spec.Title} | {(spec.Examples == 0 ? "" : played)} | {(spec.Examples == 0 ? "" : spec.Examples)} | {count} |\n");
        }
        foreach (var spec in all) AppendList(page, spec, scenarios);
        return page.ToString();
    }

    /// <summary>Sources that name a specification out of scope, or an example it does not have.</summary>
    public static IEnumerable<string> Mistakes(IReadOnlyList<Scenario> scenarios, string specs)
    {
        var known = Read(specs).ToDictionary(s => s.Name);
        foreach (var scenario in scenarios)
        {
            foreach (var source in scenario.Sources)
            {
                if (!known.TryGetValue(source.Spec, out var spec)) yield return $"{scenario.Path}: {source.Spec} is not in specs.tsv";
                else if (source.Example is { } n && (n < 1 || n > spec.Examples)) yield return $"{scenario.Path}: {source.Spec} has no example {n}";
            }
        }
    }

    private static void AppendList(StringBuilder page, Spec spec, IReadOnlyList<Scenario> scenarios)
    {
        var own = scenarios.Where(s => s.Sources.Exists(source => source.Spec == spec.Name)).ToList();
        if (own.Count == 0) return;
        page.Append(CultureInfo.InvariantCulture, $"\n## {spec.Name} {spec.Title}\n\n");
        foreach (var scenario in own)
        {
            var sources = scenario.Sources.Where(s => s.Spec == spec.Name).ToList();
            var sections = sources.Where(s => s.Section.Length > 0).Select(s => s.Section).Distinct().ToList();
            var examples = sources.Where(s => s.Example is not null).Select(s => s.Example!.Value.ToString(CultureInfo.InvariantCulture)).Distinct().ToList();
            var where = string.Join("; ", new[] { sections.Count > 0 ? $"section {string.Join(", ", sections)}" : "", examples.Count > 0 ? $"example {string.Join(", ", examples)}" : "" }.Where(t => t.Length > 0));
            page.Append(CultureInfo.InvariantCulture, $"- {scenario.Title}{(where.Length > 0 ? $" ({where})" : "")}: `{scenario.Path}`\n");
        }
    }

    private static IEnumerable<Spec> Read(string specs) =>
        specs.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')).Select(c => new Spec(c[0], c[1], int.Parse(c[2], CultureInfo.InvariantCulture)));
}
