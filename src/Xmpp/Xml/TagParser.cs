using Indaba.Xmpp.Streams;

namespace Indaba.Xmpp.Xml;

/// <summary>Parses one whole start tag into an element: names, attributes, namespaces.</summary>
internal static class TagParser
{
    // One per thread: parsing never waits, and an idle connection then holds no scratch space.
    [ThreadStatic] private static Found[]? scratch;

    private struct Found
    {
        public string Prefix;
        public string Name;
        public string Value;
    }

    /// <summary>Parses what stands between &lt; and &gt; of a start tag and declares its namespaces in the scope.</summary>
    public static Element Start(ReadOnlySpan<byte> tag, NamespaceScope scope, int maxAttributes, out string prefix)
    {
        var nameEnd = tag.IndexOfAny(XmlChars.NameEnd);
        if (nameEnd < 0) nameEnd = tag.Length;
        prefix = QName(tag[..nameEnd], out var name);
        if (prefix == "xmlns") throw Malformed("xmlns as an element's prefix");
        if (nameEnd == tag.Length) return new Element(name, scope.Resolve(prefix), []);

        var found = scratch ??= new Found[16];
        var count = 0;
        try
        {
            count = Attributes(tag[nameEnd..], scope, maxAttributes, ref found);
            return new Element(name, scope.Resolve(prefix), Resolve(found.AsSpan(0, count), scope));
        }
        finally
        {
            found.AsSpan(0, count).Clear(); // hold no one's data
            scratch = found;
        }
    }

    /// <summary>True when an end tag's name (without &lt;/ and &gt;) is the one that was opened.</summary>
    public static bool IsEnd(ReadOnlySpan<byte> name, string prefix, string local)
    {
        while (!name.IsEmpty && XmlChars.Space.Contains(name[^1])) name = name[..^1];
        if (prefix.Length == 0) return NameTable.Same(local, name);
        var colon = name.IndexOf((byte)':');
        return colon > 0 && NameTable.Same(prefix, name[..colon]) && NameTable.Same(local, name[(colon + 1)..]);
    }

    private static int Attributes(ReadOnlySpan<byte> rest, NamespaceScope scope, int maxAttributes, ref Found[] found)
    {
        var count = 0;
        var declarations = 0;
        var mark = scope.Mark;
        while (true)
        {
            var space = rest.IndexOfAnyExcept(XmlChars.Space);
            if (space < 0) return count;
            if (space == 0) throw Malformed("attributes without white space between them");
            rest = rest[space..];
            var value = Next(ref rest, out var prefix, out var name);
            if (count + ++declarations > maxAttributes) throw new StreamException(StreamCondition.PolicyViolation, "too many attributes");
            if (prefix.Length == 0 && name == "xmlns")
            {
                RefuseTwice("", scope, mark);
                scope.Declare("", CharacterData.Namespace(value));
            }
            else if (prefix == "xmlns")
            {
                RefuseTwice(name, scope, mark);
                scope.Declare(name, CharacterData.Namespace(value));
            }
            else
            {
                declarations--;
                if (count == found.Length) Array.Resize(ref found, count * 2);
                found[count++] = new Found { Prefix = prefix, Name = name, Value = CharacterData.Value(value) };
            }
        }
    }

    // One attribute: name, equals sign, quoted value. Moves rest behind it.
    private static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> rest, out string prefix, out string name)
    {
        var nameEnd = rest.IndexOfAny(XmlChars.NameEnd);
        if (nameEnd <= 0) throw Malformed("an attribute without a value");
        prefix = QName(rest[..nameEnd], out name);
        rest = SkipSpace(rest[nameEnd..]);
        if (rest.IsEmpty || rest[0] != '=') throw Malformed("an attribute without a value");
        rest = SkipSpace(rest[1..]);
        if (rest.IsEmpty || rest[0] is not ((byte)'"' or (byte)'\'')) throw Malformed("an attribute without quotes");
        var length = rest[1..].IndexOf(rest[0]);
        if (length < 0) throw Malformed("an attribute without its second quote");
        var value = rest.Slice(1, length);
        rest = rest[(length + 2)..];
        return value;
    }

    private static void RefuseTwice(string prefix, NamespaceScope scope, int mark)
    {
        if (scope.DeclaredSince(mark, prefix)) throw Malformed("a namespace declared twice");
    }

    private static Attribute[] Resolve(ReadOnlySpan<Found> found, NamespaceScope scope)
    {
        if (found.IsEmpty) return [];
        var attributes = new Attribute[found.Length];
        for (var i = 0; i < found.Length; i++)
        {
            var ns = found[i].Prefix.Length == 0 ? "" : scope.Resolve(found[i].Prefix);
            for (var j = 0; j < i; j++)
            {
                if (attributes[j].Name == found[i].Name && attributes[j].Namespace == ns) throw Malformed("an attribute given twice");
            }
            attributes[i] = new Attribute(found[i].Name, ns, found[i].Value);
        }
        return attributes;
    }

    private static string QName(ReadOnlySpan<byte> utf8, out string local)
    {
        var colon = utf8.IndexOf((byte)':');
        local = NameTable.Names.Get(utf8[(colon + 1)..]) ?? throw Malformed("a malformed name");
        return colon < 0 ? "" : NameTable.Names.Get(utf8[..colon]) ?? throw Malformed("a malformed prefix");
    }

    private static ReadOnlySpan<byte> SkipSpace(ReadOnlySpan<byte> s)
    {
        var at = s.IndexOfAnyExcept(XmlChars.Space);
        return at < 0 ? [] : s[at..];
    }

    private static StreamException Malformed(string what) => new(StreamCondition.NotWellFormed, what);
}
