using Indaba.Server.Accounts;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>Which specification, in which version, a module stands for.</summary>
internal sealed record Spec(string Name, string Version, string Title, string? Note = null);

/// <summary>One XEP (or RFC chapter) in one file: it says what it is and returns its registrations as data.</summary>
internal abstract class Module
{
    /// <summary>The specifications that stand here; the first is the main one.</summary>
    public abstract IReadOnlyList<Spec> Specs { get; }

    /// <summary>Registers features, handlers and hooks. Called once, at start, in the order of <see cref="All.Modules"/>.</summary>
    public abstract void Register(ModuleBuilder m);
}

/// <summary>Where in the life of a session or a stanza a hook runs. Closed: if a module needs another, discuss it in docs/decisions.</summary>
internal enum Stage
{
    /// <summary>A session was bound (RFC 6120 section 7); nothing has been sent to it yet.</summary>
    Bound,
    /// <summary>A stanza left its sender's session and is not routed yet.</summary>
    Sending,
    /// <summary>A stanza has reached the receiver's account and is not stored or pushed yet.</summary>
    Delivering,
    /// <summary>A session became available for the first time or again (RFC 6121 section 4.2), after its presence was broadcast.</summary>
    Available,
    /// <summary>A session has ended for good (no resumption any more).</summary>
    Unbound,
}

/// <summary>What a hook decided.</summary>
internal readonly record struct Outcome(OutcomeKind Kind, StanzaError? Error = null)
{
    /// <summary>Go on with the next hook.</summary>
    public static Outcome Continue => default;
    /// <summary>The hook has dealt with the stanza: nothing more happens to it, it counts as handled.</summary>
    public static Outcome Handled => new(OutcomeKind.Handled);
    /// <summary>The stanza goes no further and its sender gets this error (never in answer to an error or result).</summary>
    public static Outcome Reject(StanzaError error) => new(OutcomeKind.Rejected, error);
    /// <summary>As <see cref="Reject(StanzaError)"/>, with the RFC's default type for the condition.</summary>
    public static Outcome Reject(StanzaCondition condition) => Reject(StanzaError.Of(condition));
}

internal enum OutcomeKind { Continue, Handled, Rejected }

/// <summary>Whom an iq must be addressed to for a handler to get it.</summary>
internal enum Target
{
    /// <summary>The server itself: <c>to</c> is its domain.</summary>
    Server,
    /// <summary>The sender's own account: no <c>to</c>, or the own bare JID (RFC 6120 section 10.3).</summary>
    OwnAccount,
    /// <summary>The bare JID of another local account: the server answers on its behalf (RFC 6121 section 8.5.2.1.3).</summary>
    OtherAccount,
}

/// <summary>What a stage hook sees. One object serves a whole stanza; hooks may change the stanza.</summary>
/// <param name="Node">The node's services.</param>
/// <param name="Stanza">The stanza; null at <see cref="Stage.Bound"/>, <see cref="Stage.Available"/> and <see cref="Stage.Unbound"/>.</param>
/// <param name="Session">The sending session (Sending), the session itself (Bound, Available, Unbound), or null.</param>
/// <param name="Account">The account whose stage runs: the sender's (Sending), the receiver's (Delivering), the session's own.</param>
/// <param name="Plan">For messages: what becomes of it for this account; hooks may change it.</param>
internal sealed record StageContext(Node Node, Stanza? Stanza, Session? Session, Account Account, StorePlan? Plan = null);

/// <summary>What an iq handler sees.</summary>
/// <param name="Node">The node's services.</param>
/// <param name="Iq">The request; its <c>from</c> is the sender's full JID.</param>
/// <param name="Session">The sender's session; never there for <see cref="Target.OtherAccount"/>, since the sender may be at another node.</param>
/// <param name="Account">The account asked (own or other); the sender's own account for <see cref="Target.Server"/>.</param>
internal sealed record IqContext(Node Node, Iq Iq, Session Session, Account Account)
{
    /// <summary>Returned by a handler that has sent the result itself, since something must follow it in order.</summary>
    public static readonly Element Answered = new("answered", "");

    /// <summary>The sender.</summary>
    public Jid From => Iq.From!.Value;

    /// <summary>The payload of the request.</summary>
    public Element Payload => Iq.Payload!;
}

/// <summary>Runs at a stage. Errors for the sender are returned as <see cref="Outcome.Reject(StanzaError)"/>.</summary>
internal delegate ValueTask<Outcome> StageHandler(StageContext context);

/// <summary>
/// Answers an iq request: returns the result's payload (null for an empty result) or throws
/// <see cref="StanzaException"/>. The reply is written in one place.
/// </summary>
internal delegate ValueTask<Element?> IqHandler(IqContext context);
