using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Indaba.Server.Tests;

/// <summary>The walls of docs/architecture.md: which part may know which, where strings stand, how long files get.</summary>
public sealed partial class LayeringTests
{
    private static readonly string Root = FindRoot();

    /// <summary>The parts, and what each must never name. What is not listed may be used.</summary>
    public static TheoryData<string, string[]> Walls => new()
    {
        { "Modules", ["Gateway", "Cluster", "Admin"] },
        { "Routing", ["Storage", "Gateway", "Streams", "Cluster", "Admin", "Media"] },
        { "Gateway", ["Modules", "Routing", "Accounts", "Storage", "Mailbox", "Sessions", "Cluster", "Admin"] },
        { "Storage", ["Accounts", "Sessions", "Streams", "Gateway", "Routing", "Modules", "Cluster", "Admin", "Options"] },
        { "Mailbox", ["Accounts", "Sessions", "Streams", "Gateway", "Routing", "Modules", "Cluster", "Admin", "Options"] },
        { "Options", ["Accounts", "Sessions", "Streams", "Routing", "Modules", "Cluster", "Storage", "Mailbox"] },
        { "Sessions", ["Storage", "Cluster", "Admin", "Options"] },
        { "Accounts", ["Gateway", "Admin"] },
        { "Streams", ["Cluster", "Admin"] },
    };

    [Theory]
    [MemberData(nameof(Walls))]
    public void A_part_does_not_know_what_is_behind_its_wall(string part, string[] hidden)
    {
        var folder = Path.Combine(Root, "src", "Server", part);
        if (!Directory.Exists(folder)) Assert.Fail($"src/Server/{part} is gone: take it out of this table");
        var faults = from file in Sources(folder)
                     from name in hidden
                     where Regex.IsMatch(Code(file), $@"\bIndaba\.Server\.{name}\b|(?<![\w.]){name}\.[A-Z]")
                     select $"{Short(file)} names {name}";
        Assert.Empty(faults);
    }

    [Fact]
    public void Only_the_cluster_and_the_accounts_know_Orleans()
    {
        var faults = Sources(Path.Combine(Root, "src", "Server"))
            .Where(f => !Short(f).StartsWith("src/Server/Cluster/", StringComparison.Ordinal) && !Short(f).StartsWith("src/Server/Accounts/", StringComparison.Ordinal))
            .Where(f => Short(f) is not ("src/Server/ServerHost.cs" or "src/Server/Node.cs" or "src/Server/Telemetry/LogLevels.cs"))
            .Where(f => Regex.IsMatch(Code(f), @"\busing Orleans|\bOrleans\.[A-Z]\w*\.|\bIGrain|GetGrain"))
            .Select(Short);
        Assert.Empty(faults);
    }

    [Fact]
    public void Namespaces_stand_in_Ns_and_nowhere_else()
    {
        var faults = from file in Sources(Path.Combine(Root, "src"))
                     where !file.EndsWith("Ns.cs", StringComparison.Ordinal)
                     from Match match in NamespaceText().Matches(Code(file))
                     select $"{Short(file)}: {match.Value}";
        Assert.Empty(faults);
    }

    [Fact]
    public void Files_stay_small()
    {
        var faults = from file in Sources(Path.Combine(Root, "src"))
                     let lines = File.ReadLines(file).Count()
                     where lines > 450
                     select $"{Short(file)} has {lines} lines";
        Assert.Empty(faults);
    }

    [Fact]
    public void No_folder_is_named_by_mechanism()
    {
        string[] refused = ["Common", "Helpers", "Utils", "Utilities", "Infrastructure", "Managers", "Services", "Internal", "Misc"];
        var folders = Directory.EnumerateDirectories(Path.Combine(Root, "src"), "*", SearchOption.AllDirectories).Where(f => refused.Contains(Path.GetFileName(f)) && !IsOutput(f));
        Assert.Empty(folders);
    }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Where(f => !IsOutput(f));

    private static bool IsOutput(string path) =>
        path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal) || path.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
        || path.Contains($"{Path.DirectorySeparatorChar}node_modules{Path.DirectorySeparatorChar}", StringComparison.Ordinal);

    private static string Code(string file) => Comment().Replace(File.ReadAllText(file), "");

    private static string Short(string file) => Path.GetRelativePath(Root, file).Replace('\\', '/');

    private static string FindRoot([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));

    [GeneratedRegex(@"^\s*//.*$|(?<=\s)// .*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex("""["'](?:urn:xmpp:[^"']*|urn:ietf:params:xml:ns:[^"']*|jabber:(?:client|server|iq|x)[^"']*|https?://jabber\.org/[^"']*|http://etherx[^"']*)["']""")]
    private static partial Regex NamespaceText();
}
