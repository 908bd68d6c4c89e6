using System.Globalization;
using System.Text;

namespace Indaba.Server.Modules;

/// <summary>docs/xeps.md, written from what the modules say of themselves, so that it cannot lie. Written anew by the test of it when UPDATE_DOCS is 1.</summary>
internal static class XepList
{
    /// <summary>The page.</summary>
    public static string Markdown(IEnumerable<Spec> specs)
    {
        var all = specs.DistinctBy(s => s.Name).OrderBy(s => s.Name, StringComparer.Ordinal).ToArray();
        var page = new StringBuilder("""
            # What the server speaks

            Generated from `src/Server/Modules`; do not edit. The version is that of the text it was implemented from.


            """.ReplaceLineEndings("\n"));
        Table(page, "| RFC | Title | Note |\n| --- | --- | --- |\n", all.Where(s => s.Name.StartsWith("RFC", StringComparison.Ordinal)), static s => $"| {s.Name[4..]} | {s.Title} | {s.Note} |\n");
        page.Append('\n');
        Table(page, "| XEP | Version | Title | Note |\n| --- | --- | --- | --- |\n", all.Where(s => s.Name.StartsWith("XEP", StringComparison.Ordinal)), static s => $"| {s.Name[4..]} | {s.Version} | {s.Title} | {s.Note} |\n");
        var others = all.Where(s => !s.Name.StartsWith("RFC", StringComparison.Ordinal) && !s.Name.StartsWith("XEP", StringComparison.Ordinal)).ToArray();
        if (others.Length == 0) return page.ToString();
        page.Append('\n');
        Table(page, "| Other | Version | Title | Note |\n| --- | --- | --- | --- |\n", others, static s => $"| {s.Name} | {s.Version} | {s.Title} | {s.Note} |\n");
        return page.ToString();
    }

    private static void Table(StringBuilder page, string head, IEnumerable<Spec> specs, Func<Spec, string> row)
    {
        page.Append(head);
        foreach (var spec in specs) page.Append(CultureInfo.InvariantCulture, $"{row(spec)}");
    }
}
