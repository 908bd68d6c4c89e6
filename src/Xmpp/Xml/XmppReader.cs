using System.Buffers;

namespace Indaba.Xmpp.Xml;

/// <summary>What <see cref="XmppReader"/> found.</summary>
public enum XmppToken
{
    /// <summary>More bytes are needed.</summary>
    None,
    /// <summary>The stream header; <see cref="XmppReader.Element"/> has its attributes and no children.</summary>
    StreamOpen,
    /// <summary>A complete child of the stream root.</summary>
    Element,
    /// <summary>The closing tag of the stream.</summary>
    StreamClose,
}

/// <summary>The limits of one reader. Each breach closes the stream.</summary>
/// <param name="MaxElementBytes">Bytes of one first-level element (RFC 6120 section 13.12 asks for at least 10,000).</param>
/// <param name="MaxDepth">Nesting below the stream root.</param>
/// <param name="MaxAttributes">Attributes of one element, namespace declarations included.</param>
/// <param name="MaxElements">Elements within one first-level element.</param>
public sealed record XmppReaderLimits(int MaxElementBytes = 262_144, int MaxDepth = 64, int MaxAttributes = 64, int MaxElements = 10_000);

/// <summary>
/// Incremental, namespace-aware reader of the XML that RFC 6120 section 11 allows: no DTD, no processing instruction
/// but the declaration, no comment, no entity but the five predefined ones and character references. Keeps its place
/// between calls, so bytes may arrive split anywhere.
/// </summary>
public sealed class XmppReader
{
    /// <param name="limits">The limits; may be changed after authentication by <see cref="Limits"/>.</param>
    /// <param name="framed">True for RFC 7395 frames: no stream root; each first-level element is complete in itself.</param>
    public XmppReader(XmppReaderLimits limits, bool framed = false) => Limits = limits;

    /// <summary>The limits in force.</summary>
    public XmppReaderLimits Limits { get; set; }

    /// <summary>The element of the last token.</summary>
    public Element? Element { get; private set; }

    /// <summary>
    /// Reads on in <paramref name="buffer"/> and moves its start over what was consumed.
    /// </summary>
    /// <exception cref="Streams.StreamException">The bytes break the rules; the exception has the RFC's condition.</exception>
    public XmppToken Read(ref ReadOnlySequence<byte> buffer) => throw new NotImplementedException();

    /// <summary>Forgets everything: the next thing expected is a stream header (RFC 6120 section 4.3.3, stream restart).</summary>
    public void Reset() => throw new NotImplementedException();
}
