using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Stanzas;

/// <summary>The types of an iq (RFC 6120 section 8.2.3).</summary>
public enum IqType { Get, Set, Result, Error }

/// <summary>An iq stanza (RFC 6120 section 8.2.3).</summary>
public sealed class Iq : Stanza
{
    /// <summary>Views an element as an iq.</summary>
    /// <exception cref="StanzaException">bad-request: no id, no known type, a request without exactly one payload or a result with more than one.</exception>
    public Iq(Element element) : base(element)
    {
        Type = element["type"] switch
        {
            "get" => IqType.Get,
            "set" => IqType.Set,
            "result" => IqType.Result,
            "error" => IqType.Error,
            _ => throw new StanzaException(StanzaCondition.BadRequest),
        };
        if (string.IsNullOrEmpty(element["id"])) throw new StanzaException(StanzaCondition.BadRequest);
        var payloads = element.ElementCount;
        if (IsRequest ? payloads != 1 : Type == IqType.Result && payloads > 1) throw new StanzaException(StanzaCondition.BadRequest);
    }

    /// <summary>The type.</summary>
    public IqType Type { get; }

    /// <summary>True for get and set.</summary>
    public bool IsRequest => Type is IqType.Get or IqType.Set;

    /// <summary>The payload of a request or result; null for an empty result.</summary>
    public Element? Payload => Element.FirstChild;

    /// <summary>The result to this request, addressed back, with an optional payload.</summary>
    public Element Result(Element? payload = null) => new Element("iq", Ns.Client)
        .With("type", "result").With("id", Id).With("to", From?.ToString()).With("from", To?.ToString()).Add(payload);
}
