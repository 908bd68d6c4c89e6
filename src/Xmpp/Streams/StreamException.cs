using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Streams;

/// <summary>The defined stream error conditions (RFC 6120 section 4.9.3). The name on the wire is the kebab-case of the member.</summary>
public enum StreamCondition
{
    BadFormat, BadNamespacePrefix, Conflict, ConnectionTimeout, HostGone, HostUnknown, ImproperAddressing,
    InternalServerError, InvalidFrom, InvalidNamespace, InvalidXml, NotAuthorized, NotWellFormed, PolicyViolation,
    RemoteConnectionFailed, Reset, ResourceConstraint, RestrictedXml, SeeOtherHost, SystemShutdown,
    UndefinedCondition, UnsupportedEncoding, UnsupportedFeature, UnsupportedStanzaType, UnsupportedVersion,
}

/// <summary>A stream error (RFC 6120 section 4.9): unrecoverable, the stream is closed after it is sent. Thrown anywhere, written in one place.</summary>
public sealed class StreamException : Exception
{
    /// <summary>Makes a stream error with an optional text for people.</summary>
    public StreamException(StreamCondition condition, string? text = null, Element? application = null) : base(text ?? condition.ToString())
    {
        Condition = condition;
        ErrorText = text;
        Application = application;
    }

    /// <summary>The defined condition.</summary>
    public StreamCondition Condition { get; }

    /// <summary>An application-specific condition (RFC 6120 section 4.9.4), or null.</summary>
    public Element? Application { get; }

    /// <summary>Text for people, or null.</summary>
    public string? ErrorText { get; }
}
