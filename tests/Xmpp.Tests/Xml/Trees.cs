using System.Buffers;
using System.Text;
using CsCheck;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Tests.Xml;

/// <summary>Random trees, their comparison, and byte sequences in pieces.</summary>
internal static class Trees
{
    private static readonly Gen<char> NastyChar = Gen.Frequency(
        (6, Gen.Char['a', 'z']),
        (4, Gen.OneOfConst('<', '>', '&', '"', '\'', ']', '\t', '\n', '\r', ' ', ';', '#', '/', '=')),
        (1, Gen.OneOfConst('\0', '\x01', '\x1f', '\x7f', '\x85', '\u2028', '\uFFFE', '\uFFFF', '\uFFFD', '\uD800', '\uDFFF', '\uD83D', '\uDE00', '，', '界', 'é', '\uFEFF')));

    /// <summary>Text with everything in it that breaks writers, lone surrogates included.</summary>
    public static readonly Gen<string> NastyText = Gen.Frequency(
        (8, NastyChar.Array[0, 12].Select(c => new string(c))),
        (1, Gen.Const("]]>")),
        (1, Gen.Const("😀界")),
        (1, NastyChar.Array[1000, 3000].Select(c => new string(c))));

    private static readonly Gen<string> Name = Gen.OneOfConst("body", "x", "message", "stream", "Ünïcode", "名前", "a.b-c_d1", "_", "xmlish", "origin-id");

    private static readonly Gen<string> Namespace = Gen.Frequency(
        (6, Gen.OneOfConst(Ns.Client, Ns.StanzaIds, Ns.Receipts, "urn:example:it's&<odd>", "", "http://例え/")),
        (1, NastyText.Where(t => t.Length is > 0 and < 50).Select(Clean)));

    private static readonly Gen<(string Name, string Ns, string Value)> Attribute =
        Gen.Select(Name, Gen.Frequency((4, Gen.Const("")), (1, Gen.Const(Ns.Xml)), (2, Namespace)), NastyText);

    /// <summary>Random trees of a few levels.</summary>
    public static readonly Gen<Element> Tree = Level(3);

    private static Gen<Element> Level(int depth) => Gen.Select(
        Name,
        Gen.Frequency((8, Namespace), (1, Gen.Const(Ns.Stream))),
        Attribute.Array[0, 4],
        depth == 0 ? NastyText.Select(t => (object)t).Array[0, 1] : Gen.OneOf(NastyText.Select(t => (object)t), Level(depth - 1).Select(e => (object)e)).Array[0, 4],
        (name, ns, attributes, nodes) =>
        {
            // A stream within a stream is refused, so a random tree has none.
            var element = new Element(name == "stream" && ns == Ns.Stream ? "features" : name, ns);
            foreach (var (n, aNs, value) in attributes) element.SetAttribute(n, aNs, value);
            foreach (var node in nodes)
            {
                if (node is Element child) element.Add(child);
                else element.AddText((string)node);
            }
            return element;
        });

    /// <summary>What a tree looks like after it was written and read: characters replaced, neighbouring texts joined.</summary>
    public static string Canonical(Element element)
    {
        var text = new StringBuilder();
        Append(text, element);
        return text.ToString();
    }

    private static void Append(StringBuilder to, Element element)
    {
        to.Append('<').Append(element.Name).Append('{').Append(Clean(element.Namespace)).Append('}');
        foreach (var a in element.Attributes.ToArray().OrderBy(a => a.Namespace, StringComparer.Ordinal).ThenBy(a => a.Name, StringComparer.Ordinal))
        {
            to.Append('|').Append(a.Name).Append('{').Append(Clean(a.Namespace)).Append("}=").Append(Clean(a.Value));
        }
        to.Append('>');
        var text = "";
        foreach (var node in element.Nodes)
        {
            if (node is string s)
            {
                text += Clean(s);
                continue;
            }
            if (text.Length > 0) to.Append('[').Append(text).Append(']');
            text = "";
            Append(to, (Element)node);
        }
        if (text.Length > 0) to.Append('[').Append(text).Append(']');
        to.Append("</>");
    }

    /// <summary>U+FFFD for what XML 1.0 cannot carry, by the letter of its Char production.</summary>
    public static string Clean(string text)
    {
        var clean = new StringBuilder();
        foreach (var rune in text.EnumerateRunes()) // gives U+FFFD for a lone surrogate
        {
            var c = rune.Value;
            var legal = c is 0x9 or 0xA or 0xD or (>= 0x20 and <= 0xD7FF) or (>= 0xE000 and <= 0xFFFD) or (>= 0x10000 and <= 0x10FFFF);
            clean.Append(legal ? rune.ToString() : "\uFFFD");
        }
        return clean.ToString();
    }

    /// <summary>A sequence of these pieces, each a segment of its own.</summary>
    public static ReadOnlySequence<byte> Sequence(params byte[][] pieces)
    {
        if (pieces.Length == 0) return ReadOnlySequence<byte>.Empty;
        var first = new Segment(pieces[0]);
        var last = first;
        foreach (var piece in pieces.Skip(1)) last = last.Append(piece);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    /// <summary>The bytes cut at these places (taken modulo their length).</summary>
    public static byte[][] Cut(byte[] bytes, IEnumerable<int> places)
    {
        var cuts = places.Select(p => bytes.Length == 0 ? 0 : p % (bytes.Length + 1)).Append(0).Append(bytes.Length).Distinct().Order().ToArray();
        return [.. cuts.Zip(cuts.Skip(1), (a, b) => bytes[a..b])];
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes) => Memory = bytes;

        public Segment Append(byte[] bytes)
        {
            var next = new Segment(bytes) { RunningIndex = RunningIndex + Memory.Length };
            Next = next;
            return next;
        }
    }
}
