namespace Indaba.Xmpp.Sasl;

/// <summary>The defined SASL error conditions (RFC 6120 section 6.5). The name on the wire is the kebab-case of the member.</summary>
public enum SaslCondition
{
    Aborted, AccountDisabled, CredentialsExpired, EncryptionRequired, IncorrectEncoding, InvalidAuthzid, InvalidMechanism,
    MalformedRequest, MechanismTooWeak, NotAuthorized, TemporaryAuthFailure,
}

/// <summary>A failed authentication (RFC 6120 section 6.4.5, XEP-0388 section 2.6.4). Thrown anywhere, written in one place.</summary>
public sealed class SaslException : Exception
{
    /// <summary>Makes a failure with an optional text for people; the text never tells whether the account exists.</summary>
    public SaslException(SaslCondition condition, string? text = null) : base(text ?? condition.ToString())
    {
        Condition = condition;
        ErrorText = text;
    }

    /// <summary>The defined condition.</summary>
    public SaslCondition Condition { get; }

    /// <summary>Text for people, or null.</summary>
    public string? ErrorText { get; }
}
