using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Stanzas;

/// <summary>
/// A stanza (RFC 6120 section 8): a typed view of an element in <c>jabber:client</c>. Its addresses are parsed once;
/// setting <see cref="To"/>, <see cref="From"/> or <see cref="Id"/> changes the element.
/// </summary>
public abstract class Stanza
{
    private Jid? _to, _from;

    /// <summary>Views an element. </summary>
    /// <exception cref="StanzaException">jid-malformed: an address cannot be parsed (RFC 6120 section 8.3.3.8).</exception>
    protected Stanza(Element element)
    {
        Element = element;
        _to = Address("to");
        _from = Address("from");
    }

    /// <summary>The element itself.</summary>
    public Element Element { get; }

    /// <summary>The receiver, or null.</summary>
    public Jid? To
    {
        get => _to;
        set { _to = value; Element["to"] = value?.ToString(); }
    }

    /// <summary>The sender, or null.</summary>
    public Jid? From
    {
        get => _from;
        set { _from = value; Element["from"] = value?.ToString(); }
    }

    /// <summary>The id attribute, or null.</summary>
    public string? Id
    {
        get => Element["id"];
        set => Element["id"] = value;
    }

    /// <summary>Views an element as the stanza that its name says, or returns null when it is none.</summary>
    /// <exception cref="StanzaException">jid-malformed or bad-request (unknown type of an iq).</exception>
    public static Stanza? Of(Element element) => element.Namespace != Ns.Client ? null : element.Name switch
    {
        "message" => new Message(element),
        "presence" => new Presence(element),
        "iq" => new Iq(element),
        _ => null,
    };

    private Jid? Address(string attribute)
    {
        var text = Element[attribute];
        if (text is null) return null;
        return Jid.TryParse(text, out var jid) ? jid : throw new StanzaException(StanzaCondition.JidMalformed);
    }
}
