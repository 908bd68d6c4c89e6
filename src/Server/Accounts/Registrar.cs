using System.Net;
using Indaba.Server.Options;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>What a stream has done of a registration before login.</summary>
internal sealed class Registration
{
    /// <summary>An invitation that was accepted, and when: from then on it may expire (XEP-0445 section 4).</summary>
    public (string Token, DateTimeOffset At)? Accepted { get; set; }
    /// <summary>True once an account was made: one is enough for a connection (XEP-0077 section 3.1.1).</summary>
    public bool Done { get; set; }
}

/// <summary>
/// Accounts made before login: XEP-0077 In-Band Registration, closed, by invitation (XEP-0445) or open, as the settings
/// say. Attempts are counted by address, the good ones too when registration is open: what is cheap for a person is not
/// for who makes accounts by the thousand. Passwords are neither logged nor repeated in errors.
/// </summary>
internal sealed class Registrar(Node node)
{
    private RegistrationMode Mode => node.Options.Registration.Mode;

    /// <summary>The stream features of registration, on a stream where a password may be sent.</summary>
    public IEnumerable<Element> Features()
    {
        if (Mode == RegistrationMode.Closed) yield break;
        yield return new Element("register", Ns.InviteRegister);
        yield return new Element("register", Ns.RegisterFeature);
    }

    /// <summary>True for what may be asked before login.</summary>
    public static bool Takes(Element iq) => iq.Child("query", Ns.Register) is not null || iq.Child("preauth", Ns.Preauth) is not null;

    /// <summary>Answers a request before login; errors too are answers.</summary>
    /// <param name="state">What this stream has done before.</param>
    /// <param name="element">An iq that <see cref="Takes"/> is true for.</param>
    /// <param name="remote">The client's address.</param>
    /// <param name="secure">Whether the stream is encrypted.</param>
    public async ValueTask<Element> AnswerAsync(Registration state, Element element, EndPoint? remote, bool secure)
    {
        try
        {
            var iq = new Iq(element);
            if (!iq.IsRequest) throw new StanzaException(StanzaCondition.BadRequest);
            if (iq.To is { } to && to.ToString() != node.Options.Domain) throw new StanzaException(StanzaCondition.ServiceUnavailable);
            if (Mode == RegistrationMode.Closed) throw new StanzaException(StanzaCondition.ServiceUnavailable, "Accounts are made by the administrator.");
            if (!secure) throw new StanzaException(StanzaCondition.PolicyViolation, "Encrypt the connection first.");
            return iq.Result(await AnswerAsync(state, iq, (remote as IPEndPoint)?.Address).ConfigureAwait(false));
        }
        catch (StanzaException e)
        {
            return e.Error.ReplyTo(element); // without the request: it may hold a password (XEP-0077 section 3.3)
        }
    }

    private ValueTask<Element?> AnswerAsync(Registration state, Iq iq, IPAddress? address) => (iq.Type, iq.Payload!.Name) switch
    {
        (IqType.Set, "preauth") => AcceptAsync(state, iq.Payload["token"], address),
        (IqType.Get, "query") => ValueTask.FromResult<Element?>(Fields(state)),
        (IqType.Set, "query") => RegisterAsync(state, iq.Payload, address),
        _ => throw new StanzaException(StanzaCondition.BadRequest),
    };

    /// <summary>XEP-0445 section 4: the token is looked at now and used up by the registration.</summary>
    private async ValueTask<Element?> AcceptAsync(Registration state, string? token, IPAddress? address)
    {
        state.Accepted = null;
        if (string.IsNullOrEmpty(token)) throw new StanzaException(StanzaCondition.BadRequest);
        Count(address);
        if (await node.Invitations.FindAsync(token).ConfigureAwait(false) is null) throw new StanzaException(StanzaCondition.ItemNotFound, "The provided token is invalid or expired");
        node.Attempts.Return(address);
        state.Accepted = (token, node.Time.GetUtcNow());
        return null;
    }

    /// <summary>XEP-0077 section 3.1: what is asked for.</summary>
    private Element Fields(Registration state)
    {
        CheckInvited(state);
        return new Element("query", Ns.Register)
            .Add("instructions", Ns.Register, "Choose a name and a password for this server.")
            .Add("username", Ns.Register).Add("password", Ns.Register);
    }

    private async ValueTask<Element?> RegisterAsync(Registration state, Element query, IPAddress? address)
    {
        // Nobody is logged in who could leave (section 3.2, table 1).
        if (query.Child("remove", Ns.Register) is not null) throw new StanzaException(StanzaCondition.UnexpectedRequest);
        CheckInvited(state);
        if (state.Done) throw new StanzaException(StanzaCondition.NotAcceptable, "An account was made on this connection: log in.");
        var (name, password) = Read(query);
        if (string.IsNullOrEmpty(name) || string.IsNullOrEmpty(password)) throw new StanzaException(StanzaCondition.NotAcceptable, "A name and a password are needed.");
        Count(address);
        var result = state.Accepted is { } accepted
            ? await node.Invitations.RegisterAsync(accepted.Token, name, password, accepted.At, CancellationToken.None).ConfigureAwait(false)
            : await node.AccountService.RegisterAsync(name, password).ConfigureAwait(false);
        if (!result.IsDone) throw Refusal(result.Outcome, node.Options.Registration.MinPasswordLength);
        if (state.Accepted is not null) node.Attempts.Return(address); // the invitation was what limited it
        state.Done = true;
        node.Log.Registered(result.Account!.Local, state.Accepted is null ? "open registration" : "invitation", address?.ToString() ?? "");
        return null;
    }

    private void CheckInvited(Registration state)
    {
        if (Mode != RegistrationMode.Open && state.Accepted is null) throw new StanzaException(StanzaCondition.NotAllowed, "Accounts on this server are made by invitation.");
    }

    private void Count(IPAddress? address)
    {
        if (!node.Attempts.TryTake(address)) throw new StanzaException(new StanzaError(StanzaCondition.ResourceConstraint, StanzaErrorType.Wait, "Too many attempts from your address: try again in an hour."));
    }

    /// <summary>The fields, plain or in a data form (section 4); a form goes first.</summary>
    public static (string? Name, string? Password) Read(Element query)
    {
        if (query.Child("x", Ns.DataForms) is not { } x) return (query.ChildText("username", Ns.Register), query.ChildText("password", Ns.Register));
        var form = DataForm.Parse(x);
        if (form.Type != "submit" || form.FormType is not (null or Ns.Register or Ns.RegisterChange)) throw new StanzaException(StanzaCondition.BadRequest);
        return (form["username"], form["password"]);
    }

    /// <summary>Why an account was not made, or a password not changed, in the protocol's words.</summary>
    public static StanzaException Refusal(AccountOutcome outcome, int minPassword) => outcome switch
    {
        AccountOutcome.NameTaken => new(StanzaCondition.Conflict, "This name is taken."),
        AccountOutcome.NameInvalid => new(StanzaCondition.NotAcceptable, "This name cannot be used."),
        AccountOutcome.PasswordTooShort => new(StanzaCondition.NotAcceptable, $"The password needs {minPassword} characters at least."),
        AccountOutcome.PasswordInvalid => new(StanzaCondition.NotAcceptable, "This password cannot be used."),
        AccountOutcome.InvitationInvalid => new(StanzaCondition.NotAllowed, "The invitation has been used."),
        AccountOutcome.NotFound => new(StanzaCondition.ItemNotFound),
        _ => new(StanzaCondition.NotAllowed),
    };
}
