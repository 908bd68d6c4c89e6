using System.Globalization;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Stanzas;

/// <summary>The types of a presence (RFC 6121 section 4.7.1); <see cref="Available"/> is the absence of the attribute.</summary>
public enum PresenceType { Available, Unavailable, Subscribe, Subscribed, Unsubscribe, Unsubscribed, Probe, Error }

/// <summary>A presence stanza (RFC 6121 section 4).</summary>
public sealed class Presence : Stanza
{
    /// <summary>Views an element as a presence.</summary>
    /// <exception cref="StanzaException">bad-request: the type is none of the RFC's.</exception>
    public Presence(Element element) : base(element) => Type = element["type"] switch
    {
        null => PresenceType.Available,
        "unavailable" => PresenceType.Unavailable,
        "subscribe" => PresenceType.Subscribe,
        "subscribed" => PresenceType.Subscribed,
        "unsubscribe" => PresenceType.Unsubscribe,
        "unsubscribed" => PresenceType.Unsubscribed,
        "probe" => PresenceType.Probe,
        "error" => PresenceType.Error,
        _ => throw new StanzaException(StanzaCondition.BadRequest),
    };

    /// <summary>The type.</summary>
    public PresenceType Type { get; }

    /// <summary>The priority, -128 to 127; 0 when absent or out of range (RFC 6121 section 4.7.2.3).</summary>
    public int Priority => sbyte.TryParse(Element.ChildText("priority", Ns.Client), NumberStyles.AllowLeadingSign | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var p) ? p : 0;
}
