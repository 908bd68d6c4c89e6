using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Tests;

public class ElementTests
{
    [Fact]
    public void Attributes_are_set_changed_and_removed()
    {
        var element = new Element("a", "").With("b", "1").With("c", "2").SetAttribute("b", "urn:x", "3");
        Assert.Equal(("1", "3", null), (element["b"], element.Attribute("b", "urn:x"), element["d"]));
        element["b"] = "4";
        element["c"] = null;
        element["d"] = null;
        Assert.Equal("<a b='4' xmlns:n1='urn:x' n1:b='3'/>", element.ToString());
    }

    [Fact]
    public void A_copy_lives_on_its_own()
    {
        var element = new Element("a", "urn:a").With("b", "1").Add("c", "urn:c", "text").AddText("more");
        var copy = element.Clone();
        element["b"] = "2";
        element.Child("c", "urn:c")!.AddText("!");
        element.Clear();
        Assert.Equal("<a xmlns='urn:a' b='1'><c xmlns='urn:c'>text</c>more</a>", copy.ToString());
        Assert.Equal("<a xmlns='urn:a' b='2'/>", element.ToString());
    }

    [Fact]
    public void Children_are_found_and_removed()
    {
        var element = new Element("a", "urn:a").AddText("x").Add("b", "urn:b", "1").AddText("y").Add("b", "urn:b", "2").Add("c", "urn:c");
        Assert.Equal(("1", "xy"), (element.ChildText("b", "urn:b"), element.Text));
        Assert.Equal(["b", "b", "c"], element.Elements.Select(e => e.Name));
        Assert.Equal(2, element.Children("b", "urn:b").Count());
        Assert.Equal("c", element.ChildOf("urn:c")!.Name);
        Assert.Equal(2, element.Remove(e => e.Name == "b"));
        Assert.Equal("c", element.FirstChild!.Name);
        Assert.Equal(3, element.Nodes.Count);
        Assert.Null(element.ChildText("b", "urn:b"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a>")]
    [InlineData("p:a")]
    [InlineData("1")]
    [InlineData("a\u0000")]
    [InlineData("a'")]
    public void A_name_that_cannot_be_written_is_refused(string name)
    {
        Assert.Throws<ArgumentException>(() => new Element(name, ""));
        Assert.Throws<ArgumentException>(() => new Element("a", "").With(name, "1"));
    }
}
