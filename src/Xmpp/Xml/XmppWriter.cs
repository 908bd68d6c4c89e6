using System.Buffers;
using System.Text;

namespace Indaba.Xmpp.Xml;

/// <summary>
/// Writes elements as UTF-8. Namespaces are declared as default namespaces where they change; a prefixed attribute
/// gets a declared prefix (xml: needs none). Characters that XML 1.0 cannot carry are replaced by U+FFFD, so nothing
/// that is written can break a stream.
/// </summary>
public static class XmppWriter
{
    /// <summary>Writes an element. <paramref name="defaultNamespace"/> is the one in force around it: it is not declared again.</summary>
    public static void Write(IBufferWriter<byte> output, Element element, string defaultNamespace)
        => throw new NotImplementedException();

    /// <summary>The element as UTF-8, with <paramref name="defaultNamespace"/> in force around it.</summary>
    public static byte[] ToBytes(Element element, string defaultNamespace)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        Write(buffer, element, defaultNamespace);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The element as text with every namespace declared.</summary>
    public static string ToString(Element element) => Encoding.UTF8.GetString(ToBytes(element, ""));
}
