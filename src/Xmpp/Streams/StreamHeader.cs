using System.Buffers;
using System.Globalization;
using System.Text;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Streams;

/// <summary>
/// A stream header: the opening tag of RFC 6120 section 4.7 over TCP, the <c>open</c> element of RFC 7395 section 3.4
/// over WebSocket. Both carry the same attributes.
/// </summary>
/// <param name="To">The receiver, or null.</param>
/// <param name="From">The sender, or null.</param>
/// <param name="Id">The id that the server gives the stream, or null.</param>
/// <param name="Version">The version as written, or null.</param>
/// <param name="Language">The default language (xml:lang), or null.</param>
public sealed record StreamHeader(Jid? To = null, Jid? From = null, string? Id = null, string? Version = null, string? Language = null)
{
    /// <summary>The version that RFC 6120 defines.</summary>
    public const string CurrentVersion = "1.0";

    /// <summary>What ends a stream over TCP.</summary>
    public static ReadOnlySpan<byte> ClosingTag => "</stream:stream>"u8;

    private static readonly byte[] Opening = Encoding.UTF8.GetBytes($"<?xml version='1.0'?><stream:stream xmlns='{Ns.Client}' xmlns:stream='{Ns.Stream}'");

    /// <summary>True when the major version is 1 or later, so features are to be sent (RFC 6120 section 4.7.5).</summary>
    public bool HasFeatures
    {
        get
        {
            if (Version is null) return false;
            var dot = Version.IndexOf('.');
            return dot > 0
                && uint.TryParse(Version.AsSpan(0, dot), NumberStyles.None, CultureInfo.InvariantCulture, out var major)
                && uint.TryParse(Version.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _)
                && major >= 1;
        }
    }

    /// <summary>Reads the header of a TCP stream from what <see cref="XmppReader"/> found at <see cref="XmppToken.StreamOpen"/>.</summary>
    /// <param name="root">The root element.</param>
    /// <param name="contentNamespace"><see cref="XmppReader.ContentNamespace"/> behind the root.</param>
    /// <exception cref="StreamException">bad-format for another element, invalid-namespace for another stream or content namespace (RFC 6120 sections 4.8.1 and 4.8.2), improper-addressing or invalid-from for what is no address.</exception>
    public static StreamHeader Parse(Element root, string contentNamespace)
    {
        if (root.Namespace != Ns.Stream) throw new StreamException(StreamCondition.InvalidNamespace, "another stream namespace");
        if (root.Name != "stream") throw new StreamException(StreamCondition.BadFormat, "another root than stream");
        if (contentNamespace != Ns.Client) throw new StreamException(StreamCondition.InvalidNamespace, "another content namespace than jabber:client");
        return FromAttributes(root);
    }

    /// <summary>Reads the <c>open</c> element of a WebSocket stream.</summary>
    /// <exception cref="StreamException">bad-format for another element, invalid-namespace for one in another namespace, improper-addressing or invalid-from for what is no address.</exception>
    public static StreamHeader ParseOpen(Element open)
    {
        if (open.Namespace != Ns.Framing) throw new StreamException(StreamCondition.InvalidNamespace, "another framing namespace");
        if (open.Name != "open") throw new StreamException(StreamCondition.BadFormat, "another element than open");
        return FromAttributes(open);
    }

    /// <summary>Writes the header of a TCP stream, with the XML declaration before it.</summary>
    public void WriteTo(IBufferWriter<byte> output)
    {
        var sink = new Utf8Sink(output);
        sink.Raw(Opening);
        Attribute(ref sink, " to='"u8, To?.ToString());
        Attribute(ref sink, " from='"u8, From?.ToString());
        Attribute(ref sink, " id='"u8, Id);
        Attribute(ref sink, " version='"u8, Version);
        Attribute(ref sink, " xml:lang='"u8, Language);
        sink.Raw(">"u8);
        sink.Flush();
    }

    /// <summary>The <c>open</c> element of a WebSocket stream.</summary>
    public Element ToOpen() => new Element("open", Ns.Framing)
        .With("to", To?.ToString()).With("from", From?.ToString()).With("id", Id).With("version", Version).SetAttribute("lang", Ns.Xml, Language);

    /// <summary>The <c>close</c> element of a WebSocket stream (RFC 7395 section 3.6), with another endpoint to go to if given.</summary>
    public static Element Close(string? seeOtherUri = null) => new Element("close", Ns.Framing).With("see-other-uri", seeOtherUri);

    private static void Attribute(ref Utf8Sink sink, ReadOnlySpan<byte> opening, string? value)
    {
        if (value is null) return;
        sink.Raw(opening);
        sink.Value(value);
        sink.Raw("'"u8);
    }

    private static StreamHeader FromAttributes(Element element) => new(
        Address(element["to"], StreamCondition.ImproperAddressing), Address(element["from"], StreamCondition.InvalidFrom),
        element["id"], element["version"], element.Attribute("lang", Ns.Xml));

    private static Jid? Address(string? text, StreamCondition otherwise)
    {
        if (text is null) return null;
        return Jid.TryParse(text, out var jid) ? jid : throw new StreamException(otherwise);
    }
}
