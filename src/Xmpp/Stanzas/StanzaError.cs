using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Stanzas;

/// <summary>The defined stanza error conditions (RFC 6120 section 8.3.3). The name on the wire is the kebab-case of the member.</summary>
public enum StanzaCondition
{
    BadRequest, Conflict, FeatureNotImplemented, Forbidden, Gone, InternalServerError, ItemNotFound, JidMalformed,
    NotAcceptable, NotAllowed, NotAuthorized, PolicyViolation, RecipientUnavailable, Redirect, RegistrationRequired,
    RemoteServerNotFound, RemoteServerTimeout, ResourceConstraint, ServiceUnavailable, SubscriptionRequired,
    UndefinedCondition, UnexpectedRequest,
}

/// <summary>What the sender may do about an error (RFC 6120 section 8.3.2).</summary>
public enum StanzaErrorType { Auth, Cancel, Continue, Modify, Wait }

/// <summary>A stanza error: condition, type, optional text and one optional application-specific element.</summary>
public sealed record StanzaError(StanzaCondition Condition, StanzaErrorType Type, string? Text = null, Element? Application = null)
{
    /// <summary>The error with the type that RFC 6120 section 8.3.3 recommends for its condition.</summary>
    public static StanzaError Of(StanzaCondition condition, string? text = null, Element? application = null) => new(condition, DefaultType(condition), text, application);

    /// <summary>The type that RFC 6120 section 8.3.3 recommends for a condition.</summary>
    public static StanzaErrorType DefaultType(StanzaCondition condition) => condition switch
    {
        StanzaCondition.BadRequest or StanzaCondition.JidMalformed or StanzaCondition.NotAcceptable or StanzaCondition.PolicyViolation or StanzaCondition.Redirect => StanzaErrorType.Modify,
        StanzaCondition.Forbidden or StanzaCondition.NotAuthorized or StanzaCondition.RegistrationRequired or StanzaCondition.SubscriptionRequired => StanzaErrorType.Auth,
        StanzaCondition.RecipientUnavailable or StanzaCondition.RemoteServerTimeout or StanzaCondition.ResourceConstraint or StanzaCondition.UnexpectedRequest => StanzaErrorType.Wait,
        _ => StanzaErrorType.Cancel,
    };

    /// <summary>The <c>error</c> element (RFC 6120 section 8.3).</summary>
    public Element ToElement()
    {
        var error = new Element("error", Ns.Client).With("type", Kebab.Of(Type));
        error.Add(Kebab.Of(Condition), Ns.StanzaErrors);
        if (Text is not null) error.Add("text", Ns.StanzaErrors, Text);
        return error.Add(Application);
    }

    /// <summary>Reads what <see cref="ToElement"/> made; a condition that is not known is undefined-condition.</summary>
    public static StanzaError Parse(Element error)
    {
        var (condition, text, application) = (StanzaCondition.UndefinedCondition, (string?)null, (Element?)null);
        foreach (var child in error.Elements)
        {
            if (child.Namespace != Ns.StanzaErrors) application = child;
            else if (child.Name == "text") text = child.Text;
            else if (Kebab.TryParse<StanzaCondition>(child.Name, out var known)) condition = known;
        }
        return new StanzaError(condition, Kebab.TryParse<StanzaErrorType>(error["type"] ?? "", out var type) ? type : DefaultType(condition), text, application);
    }

    /// <summary>The error reply to a stanza: addresses swapped, the original payload left out (allowed by RFC 6120 section 8.3.1).</summary>
    public Element ReplyTo(Element stanza) => new Element(stanza.Name, Ns.Client)
        .With("type", "error").With("id", stanza["id"]).With("to", stanza["from"]).With("from", stanza["to"]).Add(ToElement());
}

/// <summary>A stanza error on its way to the one place that writes it.</summary>
public sealed class StanzaException : Exception
{
    public StanzaException(StanzaCondition condition, string? text = null) : this(StanzaError.Of(condition, text)) { }
    public StanzaException(StanzaError error) : base(error.Text ?? error.Condition.ToString()) => Error = error;

    /// <summary>The error.</summary>
    public StanzaError Error { get; }
}
