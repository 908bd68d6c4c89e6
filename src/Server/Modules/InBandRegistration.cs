using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0077 for who is logged in: change the password, leave for good. What is before login stands in <see cref="Registrar"/>.</summary>
internal sealed class InBandRegistration : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs =>
    [
        new("XEP-0077", "2.4", "In-Band Registration"),
        new("XEP-0445", "0.2.0", "Pre-Authenticated In-Band Registration"),
    ];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m)
    {
        m.Disco(Ns.Register);
        foreach (var target in new[] { Target.Server, Target.OwnAccount }) // section 3.2 leaves out 'to', 3.3 names the server
            m.OnIq(target, IqType.Get, "query", Ns.Register, Tell).OnIq(target, IqType.Set, "query", Ns.Register, SetAsync);
    }

    /// <summary>Section 3.1: the entity is registered.</summary>
    private static ValueTask<Element?> Tell(IqContext context) => ValueTask.FromResult<Element?>(new Element("query", Ns.Register)
        .Add("registered", Ns.Register)
        .Add("instructions", Ns.Register, "You have this account. A new password here changes it.")
        .Add("username", Ns.Register, context.Session.Jid.Local)
        .Add("password", Ns.Register));

    private static ValueTask<Element?> SetAsync(IqContext context)
    {
        var query = context.Payload;
        if (query.Child("remove", Ns.Register) is null) return ChangePasswordAsync(context);
        if (query.Elements.Count() != 1) throw new StanzaException(StanzaCondition.BadRequest);
        return LeaveAsync(context);
    }

    /// <summary>Section 3.3. The session in which it is changed goes on; others end, for they may be the reason.</summary>
    private static async ValueTask<Element?> ChangePasswordAsync(IqContext context)
    {
        var (node, session) = (context.Node, context.Session);
        if (!session.Secure) throw new StanzaException(new StanzaError(StanzaCondition.NotAuthorized, StanzaErrorType.Modify, "Encrypt the connection first."));
        var (name, password) = Registrar.Read(context.Payload);
        if (string.IsNullOrEmpty(name) || string.IsNullOrEmpty(password)) throw new StanzaException(StanzaCondition.BadRequest, "A name and a password are needed.");
        if (!node.AccountService.TryLocal(name, out var local) || local != session.Jid.Local) throw new StanzaException(StanzaCondition.NotAllowed, "This is not your account.");
        var result = await node.AccountService.SetPasswordAsync(local, password, byOperator: false, session, CancellationToken.None).ConfigureAwait(false);
        return result.IsDone ? null : throw Registrar.Refusal(result.Outcome, node.Options.Registration.MinPasswordLength);
    }

    /// <summary>
    /// Section 3.2: the answer, then not-authorized for all sessions. From the answer on nobody can log in; the rest is
    /// done beside, since it ends the very session that waits for the answer.
    /// </summary>
    private static async ValueTask<Element?> LeaveAsync(IqContext context)
    {
        var (node, session) = (context.Node, context.Session);
        if (!await node.AccountRows.SetDisabledAsync(session.Account.Id, true).ConfigureAwait(false)) throw new StanzaException(StanzaCondition.RegistrationRequired);
        session.Send(context.Iq.Result());
        _ = RemoveAsync(node, session.Jid);
        return IqContext.Answered;
    }

    private static async Task RemoveAsync(Node node, Jid jid)
    {
        try
        {
            await Task.Yield();
            await node.AccountService.DeleteAsync(jid.Local!).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            node.Log.RemovalFailed(jid.Bare, e);
        }
    }
}
