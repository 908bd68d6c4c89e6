using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Stanzas;

/// <summary>The types of a message (RFC 6121 section 5.2.2).</summary>
public enum MessageType { Normal, Chat, Groupchat, Headline, Error }

/// <summary>A message stanza (RFC 6121 section 5).</summary>
public sealed class Message : Stanza
{
    /// <summary>Views an element as a message. An unknown type counts as normal (RFC 6121 section 5.2.2).</summary>
    public Message(Element element) : base(element) => Type = element["type"] switch
    {
        "chat" => MessageType.Chat,
        "groupchat" => MessageType.Groupchat,
        "headline" => MessageType.Headline,
        "error" => MessageType.Error,
        _ => MessageType.Normal,
    };

    /// <summary>The type.</summary>
    public MessageType Type { get; }
}
