using Indaba.Server.Modules;
using Xunit;

namespace Indaba.Server.Tests.Modules;

public sealed class XepListTests
{
    [Fact]
    public void Docs_say_what_the_modules_say()
    {
        var path = Path.Combine(Root(), "docs", "xeps.md");
        var page = XepList.Markdown(ModuleBuilder.Build(All.Modules).Specs);
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, page);
        }
        Assert.True(File.Exists(path) && File.ReadAllText(path) == page, "docs/xeps.md is not what the modules say: run this test with UPDATE_DOCS=1");
    }

    [Fact]
    public void Every_specification_stands_once_and_with_its_version()
    {
        var specs = ModuleBuilder.Build(All.Modules).Specs;
        Assert.Equal(specs.Count, specs.DistinctBy(s => s.Name).Count());
        Assert.All(specs.Where(s => s.Name.StartsWith("XEP", StringComparison.Ordinal)), s => Assert.Matches(@"^XEP-\d{4} \d+(\.\d+)+$", $"{s.Name} {s.Version}"));
    }

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Indaba.slnx"))) return folder.FullName;
        }
        throw new DirectoryNotFoundException("Indaba.slnx");
    }
}
