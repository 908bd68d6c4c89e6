using Indaba.Server.Gateway;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Streams;

/// <summary>How the server closes a stream: with or without an error, then its end (RFC 6120 section 4.4, 4.9). The one place that writes stream errors.</summary>
internal sealed record StreamClosing(StreamCondition? Condition = null, string? Text = null, Element? Application = null)
{
    /// <summary>Writes the error, if any, and the end of the stream.</summary>
    public void WriteTo(IXmlChannel channel)
    {
        if (Condition is { } condition) channel.Write(XmppWriter.ToBytes(StreamError.ToElement(new StreamException(condition, Text)).Add(Application), Ns.Client));
        channel.WriteClose();
    }
}
