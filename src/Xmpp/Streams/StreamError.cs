using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Streams;

/// <summary>The element of a stream error (RFC 6120 section 4.9).</summary>
public static class StreamError
{
    /// <summary>The <c>stream:error</c> element; the stream is closed after it.</summary>
    /// <param name="error">The error.</param>
    /// <param name="content">The text inside the condition: the other host of see-other-host (section 4.9.3.19).</param>
    public static Element ToElement(StreamException error, string? content = null)
    {
        var element = new Element("error", Ns.Stream).Add(Kebab.Of(error.Condition), Ns.StreamErrors, content);
        if (error.ErrorText is not null) element.Add(new Element("text", Ns.StreamErrors).SetAttribute("lang", Ns.Xml, "en").AddText(error.ErrorText));
        return element.Add(error.Application);
    }

    /// <summary>Reads a stream error that a peer sent; null when the element is none. An unknown condition counts as undefined-condition.</summary>
    public static StreamException? Parse(Element element)
    {
        if (!element.Is("error", Ns.Stream)) return null;
        var condition = StreamCondition.UndefinedCondition;
        Element? application = null;
        foreach (var child in element.Elements)
        {
            if (child.Namespace != Ns.StreamErrors) application ??= child;
            else if (Kebab.TryParse(child.Name, out StreamCondition known)) condition = known;
        }
        return new StreamException(condition, element.ChildText("text", Ns.StreamErrors), application);
    }
}
