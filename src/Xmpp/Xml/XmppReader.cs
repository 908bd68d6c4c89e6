using System.Buffers;
using System.Text;
using Indaba.Xmpp.Streams;

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
/// between calls, so bytes may arrive split anywhere. After a <see cref="StreamException"/> it reads no more.
/// </summary>
public sealed class XmppReader
{
    // What was let in once is let in again, also after the limits were lowered.
    private static readonly XmppReaderLimits Stored = new(int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue);

    [ThreadStatic] private static XmppReader? frameReader;

    private readonly int _base; // open elements around a first-level element: the stream root, or none in frames
    private readonly NamespaceScope _scope = new();
    private Frame[] _open = new Frame[8];
    private int _depth;
    private TokenScanner _scanner;
    private byte[] _carry = []; // the beginning of a token whose end has not come
    private int _carried;
    private int _bytes; // of the first-level element under way
    private int _elements;
    private bool _started; // a declaration or an element was seen
    private bool _closed;
    private string? _text; // text before the next tag
    private StringBuilder? _sections; // the same, when it comes in several pieces
    private StreamException? _failure;

    private record struct Frame(Element Element, string Prefix, int Mark);

    /// <param name="limits">The limits; may be changed after authentication by <see cref="Limits"/>.</param>
    /// <param name="framed">True for RFC 7395 frames: no stream root; each first-level element is complete in itself.</param>
    public XmppReader(XmppReaderLimits limits, bool framed = false)
    {
        Limits = limits;
        _base = framed ? 0 : 1;
    }

    /// <summary>The limits in force.</summary>
    public XmppReaderLimits Limits { get; set; }

    /// <summary>The element of the last token; null after <see cref="XmppToken.None"/> and <see cref="XmppToken.StreamClose"/>.</summary>
    public Element? Element { get; private set; }

    /// <summary>The default namespace that the stream header declares, empty when none: <c>jabber:client</c> for clients. In frames always empty.</summary>
    public string ContentNamespace { get; private set; } = "";

    /// <summary>
    /// Reads one frame of RFC 7395 section 3.3.3: a document of its own with exactly one element. It begins with
    /// &lt;; an XML declaration may stand before the element and white space behind it.
    /// </summary>
    /// <exception cref="StreamException">The frame is anything else, or breaks the rules of <see cref="Read"/>.</exception>
    public static Element ReadFrame(ReadOnlySequence<byte> frame, XmppReaderLimits limits)
    {
        if (!frame.IsEmpty && frame.Slice(0, 1).First.Span[0] != '<') throw Fail(StreamCondition.BadFormat, "a frame that does not begin with '<'");
        return ReadWhole(frame, limits, "");
    }

    /// <summary>Reads one element that <see cref="XmppWriter.ToBytes"/> wrote, with the same namespace in force around it: a stored stanza.</summary>
    /// <exception cref="StreamException">The bytes are anything else.</exception>
    public static Element ReadStored(ReadOnlyMemory<byte> bytes, string defaultNamespace) => ReadWhole(new ReadOnlySequence<byte>(bytes), Stored, defaultNamespace);

    private static Element ReadWhole(ReadOnlySequence<byte> bytes, XmppReaderLimits limits, string defaultNamespace)
    {
        var reader = frameReader ?? new XmppReader(limits, framed: true);
        frameReader = null; // a reader that throws is not used again
        reader.Limits = limits;
        if (defaultNamespace.Length > 0) reader._scope.Declare("", defaultNamespace);
        if (reader.Read(ref bytes) != XmppToken.Element) throw Fail(StreamCondition.NotWellFormed, "no whole element");
        var element = reader.Element!;
        foreach (var rest in bytes)
        {
            if (rest.Span.ContainsAnyExcept(XmlChars.Space)) throw Fail(StreamCondition.BadFormat, "more than one element");
        }
        reader.Reset();
        frameReader = reader;
        return element;
    }

    /// <summary>
    /// Reads on in <paramref name="buffer"/> up to the next token and moves its start over what was consumed: all of
    /// it when the answer is <see cref="XmppToken.None"/>, no byte beyond the token otherwise.
    /// </summary>
    /// <exception cref="StreamException">The bytes break the rules; the exception has the RFC's condition.</exception>
    public XmppToken Read(ref ReadOnlySequence<byte> buffer)
    {
        if (_failure is not null) throw new StreamException(_failure.Condition, _failure.ErrorText);
        Element = null;
        try
        {
            var consumed = 0L;
            var token = XmppToken.None;
            if (buffer.IsSingleSegment)
            {
                consumed = ReadOn(buffer.FirstSpan, out token);
            }
            else
            {
                foreach (var segment in buffer)
                {
                    consumed += ReadOn(segment.Span, out token);
                    if (token != XmppToken.None) break;
                }
            }
            buffer = buffer.Slice(consumed);
            return token;
        }
        catch (StreamException e)
        {
            Reset();
            _failure = e;
            throw;
        }
    }

    /// <summary>Forgets everything: the next thing expected is a stream header (RFC 6120 section 4.3.3, stream restart).</summary>
    public void Reset()
    {
        Array.Clear(_open, 0, _depth);
        _depth = 0;
        _scope.Leave(0);
        DropCarry();
        _scanner = default;
        (_bytes, _elements) = (0, 0);
        (_started, _closed) = (false, false);
        (_text, _sections) = (null, null);
        ContentNamespace = "";
        Element = null;
        _failure = null;
    }

    // Reads in one piece of memory until a token or its end; returns how much was consumed.
    private int ReadOn(ReadOnlySpan<byte> data, out XmppToken token)
    {
        var at = 0;
        token = XmppToken.None;
        while (at < data.Length)
        {
            if (_depth <= _base && _carried == 0)
            {
                at = SkipOutside(data, at);
                if (at == data.Length) break;
            }
            var length = _scanner.Scan(data[at..], mayDeclare: !_started);
            var taken = length < 0 ? data.Length - at : length;
            // _bytes counts whole tokens; it stays below the limit, so nothing here can overflow.
            if (taken > Limits.MaxElementBytes - _bytes - _carried) throw Fail(StreamCondition.PolicyViolation, $"an element of more than {Limits.MaxElementBytes} bytes");
            if (length < 0)
            {
                Carry(data[at..]);
                return data.Length;
            }
            token = Take(data.Slice(at, taken));
            at += taken;
            if (token != XmppToken.None) break;
        }
        return at;
    }

    // Between first-level elements white space is a keepalive (RFC 6120 section 4.6.1) and nothing else may stand.
    private int SkipOutside(ReadOnlySpan<byte> data, int at)
    {
        var skip = data[at..].IndexOfAnyExcept(XmlChars.Space);
        if (skip < 0) return data.Length;
        if (data[at + skip] != '<') throw Fail(StreamCondition.BadFormat, "text outside of an element");
        if (_closed) throw Fail(StreamCondition.BadFormat, "something after the end of the stream");
        return at + skip;
    }

    // A whole token: its last bytes are given, its first may be carried.
    private XmppToken Take(ReadOnlySpan<byte> data)
    {
        var kind = _scanner.Kind;
        _scanner = default;
        if (_carried == 0)
        {
            _bytes += data.Length;
            return Take(kind, data);
        }
        Carry(data);
        _bytes += _carried;
        var whole = _carry.AsSpan(0, _carried);
        var token = Take(kind, whole);
        DropCarry();
        return token;
    }

    private XmppToken Take(TokenKind kind, ReadOnlySpan<byte> token)
    {
        switch (kind)
        {
            case TokenKind.Text:
                AddText(CharacterData.Text(token));
                return XmppToken.None;
            case TokenKind.CData:
                if (_depth <= _base) throw Fail(StreamCondition.BadFormat, "text outside of an element");
                AddText(CharacterData.CData(token[9..^3]));
                return XmppToken.None;
            case TokenKind.Declaration:
                XmlDeclaration.Check(token);
                _started = true;
                return XmppToken.None;
            default:
                _started = true;
                return token[1] == '/' ? EndTag(token[2..^1]) : StartTag(token[1..^1]);
        }
    }

    private XmppToken StartTag(ReadOnlySpan<byte> tag)
    {
        var empty = tag.EndsWith("/"u8);
        if (empty) tag = tag[..^1];
        if (_depth - _base >= Limits.MaxDepth) throw Fail(StreamCondition.PolicyViolation, "too many levels of elements");
        if (_depth >= _base && ++_elements > Limits.MaxElements) throw Fail(StreamCondition.PolicyViolation, "too many elements");

        FlushText();
        var mark = _scope.Mark;
        var element = TagParser.Start(tag, _scope, Limits.MaxAttributes, out var prefix);
        if (_depth < _base)
        {
            if (empty) throw Fail(StreamCondition.BadFormat, "a stream that ends where it begins");
            Push(element, prefix, mark);
            _bytes = 0;
            ContentNamespace = _scope.Resolve("");
            Element = element;
            return XmppToken.StreamOpen;
        }
        // A stream within a stream has no meaning; whoever takes it for one is being smuggled something.
        if (element.Is("stream", Ns.Stream)) throw Fail(StreamCondition.BadFormat, "a stream within a stream");
        if (_depth > _base) _open[_depth - 1].Element.Add(element);
        if (!empty)
        {
            Push(element, prefix, mark);
            return XmppToken.None;
        }
        _scope.Leave(mark);
        return _depth == _base ? Complete(element) : XmppToken.None;
    }

    private XmppToken EndTag(ReadOnlySpan<byte> name)
    {
        if (_depth == 0) throw Fail(StreamCondition.NotWellFormed, "an end tag without its start");
        FlushText();
        var frame = _open[_depth - 1];
        if (!TagParser.IsEnd(name, frame.Prefix, frame.Element.Name)) throw Fail(StreamCondition.NotWellFormed, "an end tag that does not match");
        _open[--_depth] = default;
        _scope.Leave(frame.Mark);
        if (_depth == _base) return Complete(frame.Element);
        if (_depth > _base) return XmppToken.None;
        _closed = true;
        return XmppToken.StreamClose;
    }

    private XmppToken Complete(Element element)
    {
        (_bytes, _elements) = (0, 0);
        Element = element;
        return XmppToken.Element;
    }

    private void Push(Element element, string prefix, int mark)
    {
        if (_depth == _open.Length) Array.Resize(ref _open, _depth * 2);
        _open[_depth++] = new Frame(element, prefix, mark);
    }

    private void AddText(string text)
    {
        if (_text is null && _sections is null) _text = text;
        else if (_sections is null) (_sections, _text) = (new StringBuilder(_text).Append(text), null);
        else _sections.Append(text);
    }

    private void FlushText()
    {
        if (_text is null && _sections is null) return;
        _open[_depth - 1].Element.AddText(_text ?? _sections!.ToString());
        (_text, _sections) = (null, null);
    }

    private void Carry(ReadOnlySpan<byte> data)
    {
        if (_carry.Length - _carried < data.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_carried + data.Length, _carry.Length * 2));
            _carry.AsSpan(0, _carried).CopyTo(larger);
            if (_carry.Length > 0) ArrayPool<byte>.Shared.Return(_carry);
            _carry = larger;
        }
        data.CopyTo(_carry.AsSpan(_carried));
        _carried += data.Length;
    }

    // Back to the pool at once: an idle connection holds no buffer.
    private void DropCarry()
    {
        if (_carry.Length > 0) ArrayPool<byte>.Shared.Return(_carry);
        (_carry, _carried) = ([], 0);
    }

    private static StreamException Fail(StreamCondition condition, string text) => new(condition, text);
}
