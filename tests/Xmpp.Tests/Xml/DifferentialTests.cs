using System.Text;
using System.Xml;
using CsCheck;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Tests.Xml;

/// <summary>Against System.Xml.XmlReader, an implementation by others: two parsers that see different trees in the same bytes are how stanzas get smuggled (S1).</summary>
public class DifferentialTests
{
    private static readonly string[] Fragments =
    [
        "<", ">", "/", "/>", "</", "&", ";", "'", "\"", "=", " ", "\n", "\r", "\t", "]]>", "<![CDATA[", "]", "&lt;", "&amp;", "&#65;", "&#x0;", "&#xFFFE;", "&x;", "&#x1F600;",
        "<a>", "</a>", "<a/>", "<p:a xmlns:p='urn:p'>", "</p:a>", " b='c'", " p:b='c'", " xmlns='urn:d'", " xmlns=''", " xmlns:p='urn:p'", " xmlns:q='urn:p'", " q:b='c'", " xmlns:p=''",
        " xmlns:xml='http://www.w3.org/XML/1998/namespace'", " xml:lang='en'", " xmlns:xmlns='x'", "xmlns", "xml:", ":", "\0", "\x01", "\x7f", "\uFFFE", "\uFFFD", "\uFEFF", "é", "界", "😀",
        "<?xml version='1.0'?>", "<?x?>", "<!-- -->", "<!DOCTYPE a>", "text", "\u0085", "\u2028", "-", ".", "1",
    ];

    private static readonly Gen<string> Fragment = Gen.OneOfConst(Fragments);

    // Valid documents with a few fragments put in, cut out or doubled; and heaps of fragments.
    private static readonly Gen<byte[]> Documents = Gen.Frequency(
        (5, Gen.Select(Trees.Tree, Gen.Select(Gen.Int[0, 100_000], Gen.Int[0, 6], Fragment).Array[0, 3], (tree, edits) =>
        {
            var text = XmppWriter.ToString(tree);
            foreach (var (place, length, fragment) in edits)
            {
                var at = place % (text.Length + 1);
                text = text[..at] + fragment + text[Math.Min(text.Length, at + length)..];
            }
            return Encoding.UTF8.GetBytes(text);
        })),
        (3, Fragment.Array[0, 12].Select(f => Encoding.UTF8.GetBytes("<a>" + string.Concat(f) + "</a>"))),
        (1, Fragment.Array[0, 12].Select(f => Encoding.UTF8.GetBytes(string.Concat(f)))),
        (1, Gen.Select(Trees.Tree, Gen.Select(Gen.Int[0, 100_000], Gen.Byte).Array[1, 3], (tree, edits) =>
        {
            var bytes = XmppWriter.ToBytes(tree, "");
            foreach (var (place, value) in edits) bytes[place % bytes.Length] = value;
            return bytes;
        })));

    [Fact]
    public void Both_accept_the_same_and_see_the_same_tree()
    {
        int both = 0, neither = 0;
        Documents.Sample(bytes =>
        {
            var ours = Ours(bytes);
            var theirs = Theirs(bytes);
            var text = Encoding.UTF8.GetString(bytes);
            if (ours is not null)
            {
                if (!HasNewName(XmppReader.ReadFrame(new(bytes), new XmppReaderLimits()))) Assert.Equal(theirs, ours);
                Interlocked.Increment(ref both);
            }
            else
            {
                if (theirs is not null) Assert.True(IsForbiddenHere(theirs, text), $"only we refuse {text}");
                Interlocked.Increment(ref neither);
            }
        }, iter: 30_000, print: b => Encoding.UTF8.GetString(b));
        Assert.True(both > 3_000 && neither > 3_000, $"{both} accepted, {neither} refused: the documents are no test");
    }

    [Fact]
    public void Noise_fails_as_a_stream_error_and_always_the_same() => Gen.Select(Gen.OneOf(Documents, Gen.Byte.Array[0, 200]), Gen.Bool, Gen.Int[0, 1000].Array[0, 5]).Sample((bytes, framed, cuts) =>
    {
        byte[] input = framed ? bytes : [.. Encoding.UTF8.GetBytes(ReaderDriver.Header), .. bytes];
        var whole = ReaderDriver.Run(input, framed);
        Assert.Equal(whole, ReaderDriver.Run(Trees.Cut(input, cuts).Select(p => Trees.Sequence(p)), framed));
        Assert.Equal(whole, ReaderDriver.Run(input.Select(b => Trees.Sequence([b])), framed));
    }, iter: 20_000, print: t => Encoding.UTF8.GetString(t.Item1));

    [Fact]
    public void What_is_accepted_can_be_written_and_read_again() => Documents.Sample(bytes =>
    {
        if (Ours(bytes) is not { } once) return;
        var element = XmppReader.ReadFrame(new(bytes), new XmppReaderLimits());
        Assert.Equal(once, Ours(XmppWriter.ToBytes(element, "")));
    }, iter: 10_000, print: b => Encoding.UTF8.GetString(b));

    private static string? Ours(byte[] bytes)
    {
        try
        {
            return Trees.Canonical(XmppReader.ReadFrame(new(bytes), new XmppReaderLimits()));
        }
        catch (StreamException)
        {
            return null;
        }
    }

    private static string? Theirs(byte[] bytes)
    {
        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, ConformanceLevel = ConformanceLevel.Document };
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(bytes), settings);
            var open = new Stack<Element>();
            Element? root = null;
            while (reader.Read())
            {
                switch (reader.NodeType)
                {
                    case XmlNodeType.Element:
                        var element = new Element(reader.LocalName, reader.NamespaceURI);
                        var empty = reader.IsEmptyElement;
                        while (reader.MoveToNextAttribute())
                        {
                            if (reader.NamespaceURI != "http://www.w3.org/2000/xmlns/") element.SetAttribute(reader.LocalName, reader.NamespaceURI, reader.Value);
                        }
                        if (open.TryPeek(out var parent)) parent.Add(element);
                        root ??= element;
                        if (!empty) open.Push(element);
                        break;
                    case XmlNodeType.EndElement:
                        open.Pop();
                        break;
                    case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace when open.Count > 0:
                        open.Peek().AddText(reader.Value);
                        break;
                }
            }
            return Trees.Canonical(root!);
        }
        catch (XmlException)
        {
            return null;
        }
    }

    // They know names by the fourth edition of XML 1.0, we by the fifth.
    private static bool HasNewName(Element element) =>
        !XmlReader.IsName(element.Name) || element.Attributes.ToArray().Any(a => !XmlReader.IsName(a.Name)) || element.Elements.Any(HasNewName);

    // What RFC 6120 section 11.1 forbids and XML allows, a frame that does not begin with '<', and a stream within.
    private static bool IsForbiddenHere(string theirs, string text) =>
        text[0] != '<' || text.Contains("<?", StringComparison.Ordinal) || text.Contains("<!--", StringComparison.Ordinal) || theirs.Contains("<stream{" + Ns.Stream, StringComparison.Ordinal);
}
