using System.Text.RegularExpressions;
using Indaba.Server.Options;
using Xunit;

namespace Indaba.Server.Tests.Options;

/// <summary>The table of settings in docs/operations.md is written by hand; it has every setting, its default and its mark.</summary>
public sealed partial class OperationsPageTests
{
    [Fact]
    public void Every_setting_stands_in_the_page_with_its_default_and_its_mark()
    {
        // "none" in the page is an empty value.
        var wanted = Schema.Keys.Select(k => (k.Path, Default: k.Of(new ServerOptions()) is null || k.Show(new ServerOptions()) is "" ? "none" : k.Show(new ServerOptions()), k.NeedsRestart));
        Assert.Equal(wanted.Order(), Rows().Order());
    }

    private static IEnumerable<(string, string, bool)> Rows() => Row().Matches(File.ReadAllText(Page()))
        .Select(m => (m.Groups["key"].Value, m.Groups["default"].Value.Trim('`'), m.Groups["restart"].Success));

    private static string Page()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var page = Path.Combine(folder.FullName, "docs", "operations.md");
            if (File.Exists(page)) return page;
        }
        throw new FileNotFoundException("docs/operations.md is in no folder above the tests");
    }

    [GeneratedRegex(@"^\| `(?<key>[a-zA-Z0-9.]+)`(?<restart> ↻)? \| (?<default>`[^`]+`|none) \| .+ \|\r?$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
