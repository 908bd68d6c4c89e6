namespace Indaba.Xmpp.Tests;

/// <summary>The wall that makes the library a project of its own: it knows the base class library and nothing else.</summary>
public class LayeringTests
{
    [Fact]
    public void The_library_references_the_base_class_library_only()
    {
        var framework = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        var references = typeof(Jid).Assembly.GetReferencedAssemblies();
        Assert.NotEmpty(references);
        Assert.All(references, r =>
        {
            Assert.True(File.Exists(Path.Combine(framework, r.Name + ".dll")), $"{r.Name} is no part of Microsoft.NETCore.App");
            Assert.StartsWith("System", r.Name, StringComparison.Ordinal);
        });
    }
}
