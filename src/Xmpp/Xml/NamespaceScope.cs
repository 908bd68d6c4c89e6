using Indaba.Xmpp.Streams;

namespace Indaba.Xmpp.Xml;

/// <summary>The namespace declarations in force, innermost last (Namespaces in XML 1.0).</summary>
internal sealed class NamespaceScope
{
    // More prefixes than any stanza needs; without a bound, each lookup could be made to cost thousands of compares.
    private const int MaxDeclarations = 256;
    private const string XmlnsName = "http://www.w3.org/2000/xmlns/";

    private (string Prefix, string Namespace)[] _declared = new (string, string)[4];

    /// <summary>How many declarations stand; given back to <see cref="Leave"/> at the end of the element.</summary>
    public int Mark { get; private set; }

    /// <summary>Declares a prefix; the empty prefix is the default namespace.</summary>
    /// <exception cref="StreamException">not-well-formed: one of the reserved names is misused.</exception>
    public void Declare(string prefix, string ns)
    {
        var reserved = prefix == "xmlns" || ns == XmlnsName || (prefix == "xml") != (ns == Ns.Xml);
        if (reserved || (ns.Length == 0 && prefix.Length != 0)) throw new StreamException(StreamCondition.NotWellFormed, "a forbidden namespace declaration");
        if (Mark == MaxDeclarations) throw new StreamException(StreamCondition.PolicyViolation, "too many namespace declarations");
        if (Mark == _declared.Length) Array.Resize(ref _declared, Mark * 2);
        _declared[Mark++] = (prefix, ns);
    }

    /// <summary>True when a prefix was declared since a mark, that is by the same element.</summary>
    public bool DeclaredSince(int mark, string prefix)
    {
        for (var i = mark; i < Mark; i++)
        {
            if (_declared[i].Prefix == prefix) return true;
        }
        return false;
    }

    /// <summary>The namespace of a prefix; empty when no default namespace is declared.</summary>
    /// <exception cref="StreamException">not-well-formed: the prefix is not bound.</exception>
    public string Resolve(string prefix)
    {
        for (var i = Mark - 1; i >= 0; i--)
        {
            // Prefixes come out of one table, so equal ones are nearly always the same object.
            if (ReferenceEquals(_declared[i].Prefix, prefix) || _declared[i].Prefix == prefix) return _declared[i].Namespace;
        }
        if (prefix.Length == 0) return "";
        return prefix == "xml" ? Ns.Xml : throw new StreamException(StreamCondition.NotWellFormed, "an unbound namespace prefix");
    }

    /// <summary>Drops the declarations made since a mark.</summary>
    public void Leave(int mark)
    {
        Array.Clear(_declared, mark, Mark - mark);
        Mark = mark;
    }
}
