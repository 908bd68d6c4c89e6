using System.Buffers;
using System.Text;

namespace Indaba.Xmpp.Xml;

/// <summary>
/// Writes elements as UTF-8. Namespaces are declared as default namespaces where they change; a prefixed attribute
/// gets a declared prefix (xml: needs none); the elements of <see cref="Ns.Stream"/> get the prefix <c>stream</c>,
/// which RFC 6120 section 4.8.5 asks for. Characters that XML 1.0 cannot carry are replaced by U+FFFD, so nothing
/// that is written can break a stream.
/// </summary>
public static class XmppWriter
{
    /// <summary>Writes an element. <paramref name="defaultNamespace"/> is the one in force around it: it is not declared again.</summary>
    public static void Write(IBufferWriter<byte> output, Element element, string defaultNamespace)
    {
        var sink = new Utf8Sink(output);
        Write(ref sink, element, defaultNamespace);
        sink.Flush();
    }

    /// <summary>The element as UTF-8, with <paramref name="defaultNamespace"/> in force around it.</summary>
    public static byte[] ToBytes(Element element, string defaultNamespace)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, element, defaultNamespace);
        return buffer.WrittenSpan.ToArray();
    }

    private static readonly byte[] StreamPrefix = Encoding.UTF8.GetBytes($" xmlns:stream='{Ns.Stream}'");

    /// <summary>The element as text with every namespace declared.</summary>
    public static string ToString(Element element) => Encoding.UTF8.GetString(ToBytes(element, ""));

    private static void Write(ref Utf8Sink sink, Element element, string outer)
    {
        var prefixed = element.Namespace == Ns.Stream;
        var inner = prefixed ? outer : element.Namespace;
        sink.Raw(prefixed ? "<stream:"u8 : "<"u8);
        sink.Name(element.Name);
        if (prefixed)
        {
            sink.Raw(StreamPrefix);
        }
        else if (inner != outer)
        {
            sink.Raw(" xmlns='"u8);
            sink.Value(inner);
            sink.Raw("'"u8);
        }
        WriteAttributes(ref sink, element.Attributes);
        var nodes = element.NodeList;
        if (nodes.IsEmpty)
        {
            sink.Raw("/>"u8);
            return;
        }
        sink.Raw(">"u8);
        foreach (var node in nodes)
        {
            if (node is Element child) Write(ref sink, child, inner);
            else sink.Text((string)node);
        }
        sink.Raw(prefixed ? "</stream:"u8 : "</"u8);
        sink.Name(element.Name);
        sink.Raw(">"u8);
    }

    private static void WriteAttributes(ref Utf8Sink sink, ReadOnlySpan<Attribute> attributes)
    {
        for (var i = 0; i < attributes.Length; i++)
        {
            ref readonly var attribute = ref attributes[i];
            sink.Raw(" "u8);
            if (attribute.Namespace.Length != 0) WritePrefix(ref sink, attributes, i);
            sink.Name(attribute.Name);
            sink.Raw("='"u8);
            sink.Value(attribute.Value);
            sink.Raw("'"u8);
        }
    }

    // The prefix of an attribute's namespace, declared where the namespace occurs first: n0, n1 … by the attribute's place.
    private static void WritePrefix(ref Utf8Sink sink, ReadOnlySpan<Attribute> attributes, int at)
    {
        var ns = attributes[at].Namespace;
        if (ns == Ns.Xml)
        {
            sink.Raw("xml:"u8);
            return;
        }
        var first = 0;
        while (attributes[first].Namespace != ns) first++;
        if (first == at)
        {
            sink.Raw("xmlns:n"u8);
            sink.Number(at);
            sink.Raw("='"u8);
            sink.Value(ns);
            sink.Raw("' "u8);
        }
        sink.Raw("n"u8);
        sink.Number(first);
        sink.Raw(":"u8);
    }
}
