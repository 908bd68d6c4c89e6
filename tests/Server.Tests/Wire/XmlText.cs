using System.Xml.Linq;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Wire;

/// <summary>
/// XML that a test writes down, parsed by System.Xml and not by the parser under test, so that a fault there cannot
/// hide itself. What stands without a namespace is in <c>jabber:client</c>, as on a client's stream.
/// </summary>
internal static class XmlText
{
    /// <summary>Parses any number of elements that stand one after the other.</summary>
    /// <exception cref="FormatException">It is not well-formed.</exception>
    public static IReadOnlyList<Element> ParseAll(string xml)
    {
        XElement root;
        try
        {
            root = XElement.Parse($"<root xmlns='{Ns.Client}' xmlns:stream='{Ns.Stream}' xmlns:x='urn:indaba:scenario'>{xml}</root>", LoadOptions.PreserveWhitespace);
        }
        catch (System.Xml.XmlException e)
        {
            throw new FormatException($"{e.Message}\n{xml}", e);
        }
        return [.. root.Elements().Select(Convert)];
    }

    /// <summary>Parses one element.</summary>
    public static Element Parse(string xml) => ParseAll(xml) is [var only] ? only : throw new FormatException($"one element expected: {xml}");

    /// <summary>Parses a WebSocket frame: no namespace is in force around it (RFC 7395 section 3.3.3).</summary>
    public static Element ParseFrame(string frame) => Convert(XElement.Parse(frame, LoadOptions.PreserveWhitespace));

    /// <summary>True when the element is a stanza, which is what XEP-0198 counts.</summary>
    public static bool IsStanza(Element e) => e.Namespace == Ns.Client && e.Name is "message" or "presence" or "iq";

    /// <summary>Escapes text for an attribute or for character data.</summary>
    public static string Escape(string text) => System.Security.SecurityElement.Escape(text);

    private static Element Convert(XElement x)
    {
        var e = new Element(x.Name.LocalName, x.Name.NamespaceName);
        foreach (var a in x.Attributes())
        {
            if (!a.IsNamespaceDeclaration) e.SetAttribute(a.Name.LocalName, a.Name.NamespaceName, a.Value);
        }
        foreach (var node in x.Nodes())
        {
            if (node is XElement child) e.Add(Convert(child));
            else if (node is XText text) e.AddText(text.Value);
        }
        return e;
    }
}
