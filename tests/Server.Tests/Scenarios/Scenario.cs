using System.Globalization;
using System.Text.RegularExpressions;
using Indaba.Server.Tests.Wire;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>An example that a scenario stands for.</summary>
/// <param name="Spec">XEP-0199 or RFC 6121.</param>
/// <param name="Section">Its section, or empty.</param>
/// <param name="Example">The number of the example, or null when the scenario holds a rule that has none.</param>
internal sealed record Source(string Spec, string Section, int? Example);

/// <summary>A client that a scenario declares: <c>Romeo: romeo/garden, carbons, priority 5</c>.</summary>
internal sealed record Player(string Name, string Account, string? Resource)
{
    /// <summary>How it connects.</summary>
    public Transport Transport { get; init; }
    /// <summary>Sends no presence when it connects.</summary>
    public bool Silent { get; init; }
    /// <summary>The priority of its presence.</summary>
    public int? Priority { get; init; }
    /// <summary>Enables carbons when it connects.</summary>
    public bool Carbons { get; init; }
    /// <summary>Enables stream management, with resumption, when it connects.</summary>
    public bool Sm { get; init; }
    /// <summary>Asks for the roster when it connects, and so gets roster pushes (RFC 6121 section 2.2).</summary>
    public bool Interested { get; init; }
    /// <summary>Presence that it receives counts only where a step asks for it.</summary>
    public bool IgnoresPresence { get; init; }
}

/// <summary>One line of the scenario that does something, with the block below it.</summary>
internal sealed record Step(int Line, string Text, string Block);

/// <summary>Two accounts that know each other before the scenario begins.</summary>
internal sealed record Acquaintance(string First, string Second, bool Mutual);

/// <summary>
/// A scenario as its file says it. The file begins with the sources as comments, then one line of title, the players,
/// a line of dashes and the steps; see README.md beside the scenarios.
/// </summary>
internal sealed partial class Scenario
{
    private Scenario(string path) => Path = path;

    /// <summary>The file, relative to the folder of scenarios.</summary>
    public string Path { get; }
    /// <summary>What it shows, in one line.</summary>
    public string Title { get; private set; } = "";
    /// <summary>What it stands for.</summary>
    public List<Source> Sources { get; } = [];
    /// <summary>Its clients by name.</summary>
    public Dictionary<string, Player> Players { get; } = [];
    /// <summary>Who is whose contact at the start, by account.</summary>
    public List<Acquaintance> Acquaintances { get; } = [];
    /// <summary>What happens.</summary>
    public List<Step> Steps { get; } = [];

    /// <summary>Peers that this scenario is known not to suit, with the reason.</summary>
    public Dictionary<string, string> NotFor { get; } = [];

    /// <summary>Why it is not played against a server; null when it is.</summary>
    public string? SkipReason(string server) => NotFor.GetValueOrDefault(server);

    /// <summary>True when it kills or stops the server, and so needs one of its own.</summary>
    public bool NeedsOwnServer => Steps.Exists(s => s.Text.StartsWith("server ", StringComparison.Ordinal));

    /// <summary>The accounts it needs.</summary>
    public IEnumerable<string> Accounts => Players.Values.Select(p => p.Account).Distinct();

    /// <summary>Reads a scenario.</summary>
    /// <exception cref="FormatException">A line says nothing known.</exception>
    public static Scenario Parse(string path, string text)
    {
        var scenario = new Scenario(path);
        var lines = text.Split('\n');
        var at = 0;
        for (; at < lines.Length && !lines[at].StartsWith("---", StringComparison.Ordinal); at++) scenario.ReadHead(lines[at].TrimEnd(), at + 1);
        if (at == lines.Length) throw new FormatException($"{path}: a line of dashes is missing");
        if (scenario.Title.Length == 0 || scenario.Sources.Count == 0) throw new FormatException($"{path}: title or sources are missing");
        for (at++; at < lines.Length;)
        {
            var line = lines[at].TrimEnd();
            if (line.Length == 0 || line[0] == '#')
            {
                at++;
                continue;
            }
            var first = at++;
            while (at < lines.Length && (lines[at].Length == 0 || char.IsWhiteSpace(lines[at][0]))) at++;
            scenario.Steps.Add(new Step(first + 1, line.TrimEnd(':'), string.Join('\n', lines[(first + 1)..at]).Trim()));
        }
        return scenario;
    }

    private void ReadHead(string line, int number)
    {
        if (line.Length == 0) return;
        if (line[0] == '#')
        {
            if (Title.Length > 0) return;
            ReadSource(line, number);
        }
        else if (Title.Length == 0)
        {
            Title = line;
        }
        else if (PlayerLine().Match(line) is { Success: true } player)
        {
            Players.Add(player.Groups[1].Value, ReadPlayer(player, number));
        }
        else if (ContactsLine().Match(line) is { Success: true } contacts)
        {
            Acquaintances.Add(new Acquaintance(AccountOf(contacts.Groups[1].Value), AccountOf(contacts.Groups[2].Value), Mutual: true));
        }
        else if (SubscribedLine().Match(line) is { Success: true } subscribed)
        {
            Acquaintances.Add(new Acquaintance(AccountOf(subscribed.Groups[1].Value), AccountOf(subscribed.Groups[2].Value), Mutual: false));
        }
        else if (NotForLine().Match(line) is { Success: true } notFor && notFor.Groups[1].Value != "indaba")
        {
            NotFor.Add(notFor.Groups[1].Value, notFor.Groups[2].Value);
        }
        else
        {
            throw new FormatException($"{Path}:{number}: {line}");
        }
    }

    private string AccountOf(string player) => Players.TryGetValue(player, out var p) ? p.Account : throw new FormatException($"{Path}: {player} is not declared");

    private Player ReadPlayer(Match line, int number)
    {
        var player = new Player(line.Groups[1].Value, line.Groups[2].Value, line.Groups[3].Success ? line.Groups[3].Value : null);
        foreach (var feature in line.Groups[4].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            player = feature.Split(' ') switch
            {
                ["plain"] => player,
                ["starttls"] => player with { Transport = Transport.StartTls },
                ["tls"] => player with { Transport = Transport.DirectTls },
                ["websocket"] => player with { Transport = Transport.WebSocket },
                ["silent"] => player with { Silent = true },
                ["carbons"] => player with { Carbons = true },
                ["sm"] => player with { Sm = true },
                ["interested"] => player with { Interested = true },
                ["ignores", "presence"] => player with { IgnoresPresence = true },
                ["priority", var p] => player with { Priority = int.Parse(p, CultureInfo.InvariantCulture) },
                _ => throw new FormatException($"{Path}:{number}: '{feature}' is no feature of a client"),
            };
        }
        return player;
    }

    private void ReadSource(string line, int number)
    {
        var match = SourceLine().Match(line);
        if (!match.Success) throw new FormatException($"{Path}:{number}: a source looks like '# XEP-0199 section 4.2 Example 3'");
        var (spec, section) = (match.Groups[1].Value, match.Groups[2].Value);
        if (!match.Groups[3].Success)
        {
            Sources.Add(new Source(spec, section, null));
            return;
        }
        foreach (var part in match.Groups[3].Value.Split(',', StringSplitOptions.TrimEntries))
        {
            var ends = part.Split('-').Select(n => int.Parse(n, CultureInfo.InvariantCulture)).ToArray();
            for (var n = ends[0]; n <= ends[^1]; n++) Sources.Add(new Source(spec, section, n));
        }
    }

    [GeneratedRegex(@"^# (XEP-\d{4}|RFC \d{4})(?: section ([A-Z0-9.]+))?(?: Examples? ([0-9, -]+))?$")]
    private static partial Regex SourceLine();

    [GeneratedRegex(@"^([A-Z]\w*): ([a-z]+)(?:/([^,\s]+))?(?:,(.*))?$")]
    private static partial Regex PlayerLine();

    [GeneratedRegex(@"^(\w+) and (\w+) are contacts$")]
    private static partial Regex ContactsLine();

    [GeneratedRegex(@"^Not for ([a-z]+): (.+)$")]
    private static partial Regex NotForLine();

    [GeneratedRegex(@"^(\w+) is subscribed to (\w+)$")]
    private static partial Regex SubscribedLine();
}
