using System.Text;

namespace Indaba.Xmpp.Xml;

/// <summary>One XML attribute. <see cref="Namespace"/> is empty for an unprefixed attribute.</summary>
public readonly record struct Attribute(string Name, string Namespace, string Value);

/// <summary>
/// One XML element with its attributes and children: the tree every stanza is built of, read into and written from.
/// Prefixes are not kept: a name is (local name, namespace), and <see cref="XmppWriter"/> declares what it needs.
/// Mutable and not thread-safe; a stanza handed to another session is serialised first.
/// </summary>
public sealed class Element
{
    private Attribute[] _attributes = [];
    private int _attributeCount;
    private List<object>? _children; // Element or string

    /// <summary>Makes an empty element.</summary>
    /// <exception cref="ArgumentException">The name is no NCName, so the element could not be written.</exception>
    public Element(string name, string ns)
    {
        if (!XmlChars.IsNCName(name)) throw new ArgumentException($"'{name}' is not an XML name", nameof(name));
        ArgumentNullException.ThrowIfNull(ns);
        Name = name;
        Namespace = ns;
    }

    /// <summary>For the reader, which has checked the names and hands over the array.</summary>
    internal Element(string name, string ns, Attribute[] attributes)
    {
        Name = name;
        Namespace = ns;
        _attributes = attributes;
        _attributeCount = attributes.Length;
    }

    /// <summary>The local name.</summary>
    public string Name { get; }

    /// <summary>The namespace; never null.</summary>
    public string Namespace { get; }

    /// <summary>The attributes in document order.</summary>
    public ReadOnlySpan<Attribute> Attributes => _attributes.AsSpan(0, _attributeCount);

    /// <summary>The children in document order: each an <see cref="Element"/> or a <see cref="string"/> of text.</summary>
    public IReadOnlyList<object> Nodes => _children ?? (IReadOnlyList<object>)[];

    /// <summary>The children, for the writer.</summary>
    internal ReadOnlySpan<object> NodeList => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_children);

    /// <summary>The value of an unprefixed attribute; null when absent, and setting null removes it.</summary>
    public string? this[string name]
    {
        get => Attribute(name, "");
        set => SetAttribute(name, "", value);
    }

    /// <summary>The value of an attribute in a namespace, or null.</summary>
    public string? Attribute(string name, string ns)
    {
        foreach (ref readonly var a in Attributes)
        {
            if (a.Name == name && a.Namespace == ns) return a.Value;
        }
        return null;
    }

    /// <summary>Sets an attribute, or removes it with a null value. Returns this element.</summary>
    /// <exception cref="ArgumentException">The name is no NCName.</exception>
    public Element SetAttribute(string name, string ns, string? value)
    {
        for (var i = 0; i < _attributeCount; i++)
        {
            if (_attributes[i].Name != name || _attributes[i].Namespace != ns) continue;
            if (value is null)
            {
                Array.Copy(_attributes, i + 1, _attributes, i, --_attributeCount - i);
                _attributes[_attributeCount] = default;
            }
            else
            {
                _attributes[i] = new Attribute(name, ns, value);
            }
            return this;
        }
        if (value is null) return this;
        if (!XmlChars.IsNCName(name)) throw new ArgumentException($"'{name}' is not an XML name", nameof(name));
        if (_attributeCount == _attributes.Length) Array.Resize(ref _attributes, Math.Max(4, _attributeCount * 2));
        _attributes[_attributeCount++] = new Attribute(name, ns, value);
        return this;
    }

    /// <summary>Sets an unprefixed attribute (null leaves it out) and returns this element, for building.</summary>
    public Element With(string name, string? value) => SetAttribute(name, "", value);

    /// <summary>Appends a child (null is ignored) and returns this element, for building.</summary>
    public Element Add(Element? child)
    {
        if (child is not null) (_children ??= []).Add(child);
        return this;
    }

    /// <summary>Appends a new child with optional text and returns this element.</summary>
    public Element Add(string name, string ns, string? text = null) => Add(new Element(name, ns).AddText(text));

    /// <summary>Appends text (null or empty is ignored) and returns this element.</summary>
    public Element AddText(string? text)
    {
        if (!string.IsNullOrEmpty(text)) (_children ??= []).Add(text);
        return this;
    }

    /// <summary>True when the element has this name and namespace.</summary>
    public bool Is(string name, string ns) => Name == name && Namespace == ns;

    /// <summary>The first child element with this name and namespace, or null.</summary>
    public Element? Child(string name, string ns)
    {
        if (_children is null) return null;
        foreach (var node in _children)
        {
            if (node is Element e && e.Name == name && e.Namespace == ns) return e;
        }
        return null;
    }

    /// <summary>The first child element of a namespace, whatever its name, or null.</summary>
    public Element? ChildOf(string ns)
    {
        if (_children is null) return null;
        foreach (var node in _children)
        {
            if (node is Element e && e.Namespace == ns) return e;
        }
        return null;
    }

    /// <summary>The first child element, or null.</summary>
    public Element? FirstChild
    {
        get
        {
            if (_children is null) return null;
            foreach (var node in _children)
            {
                if (node is Element e) return e;
            }
            return null;
        }
    }

    /// <summary>How many child elements there are.</summary>
    public int ElementCount
    {
        get
        {
            var count = 0;
            foreach (var node in NodeList)
            {
                if (node is Element) count++;
            }
            return count;
        }
    }

    /// <summary>The child elements in document order.</summary>
    public IEnumerable<Element> Elements => _children is null ? [] : _children.OfType<Element>();

    /// <summary>The child elements with this name and namespace.</summary>
    public IEnumerable<Element> Children(string name, string ns) => Elements.Where(e => e.Is(name, ns));

    /// <summary>The text of the child with this name and namespace, or null when there is no such child.</summary>
    public string? ChildText(string name, string ns) => Child(name, ns)?.Text;

    /// <summary>The text directly inside this element, joined; empty when there is none.</summary>
    public string Text
    {
        get
        {
            if (_children is null) return "";
            if (_children is [string only]) return only;
            var text = new StringBuilder();
            foreach (var node in _children)
            {
                if (node is string s) text.Append(s);
            }
            return text.ToString();
        }
    }

    /// <summary>Removes every child element that matches; returns how many went.</summary>
    public int Remove(Predicate<Element> match) => _children?.RemoveAll(n => n is Element e && match(e)) ?? 0;

    /// <summary>Removes all children.</summary>
    public void Clear() => _children = null;

    /// <summary>A deep copy.</summary>
    public Element Clone()
    {
        var copy = new Element(Name, Namespace, _attributeCount == 0 ? [] : Attributes.ToArray());
        if (_children is null) return copy;
        copy._children = new List<object>(_children.Count);
        foreach (var node in _children) copy._children.Add(node is Element e ? e.Clone() : node);
        return copy;
    }

    /// <summary>The element as XML text, for logs and tests.</summary>
    public override string ToString() => XmppWriter.ToString(this);
}
