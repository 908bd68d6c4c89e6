using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0012 Last Activity: how long the server has been up, and when a contact was last there.</summary>
internal sealed class LastActivity : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0012", "2.0", "Last Activity")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.LastActivity)
        .DiscoAccount(Ns.LastActivity)
        .OnIq(Target.Server, IqType.Get, "query", Ns.LastActivity, static c => ValueTask.FromResult<Element?>(Answer(c.Node.Time.GetUtcNow() - c.Node.StartedAt, null)))
        .OnIq(Target.OwnAccount, IqType.Get, "query", Ns.LastActivity, OfAccount)
        .OnIq(Target.OtherAccount, IqType.Get, "query", Ns.LastActivity, OfAccount)
        .On(Stage.Sending, Hide)
        .On(Stage.Delivering, Guard)
        .On(Stage.Unbound, Remember);

    /// <summary>Section 3. A user with a connected resource is there now.</summary>
    private static async ValueTask<Element?> OfAccount(IqContext context)
    {
        if (context.Account.Sessions.Length > 0) return Answer(TimeSpan.Zero, null);
        var last = await LastSeen.LoadAsync(context.Node, context.Account).ConfigureAwait(false);
        return last is null ? throw new StanzaException(StanzaCondition.ItemNotFound) : Answer(context.Node.Time.GetUtcNow() - last.At, last.Status);
    }

    /// <summary>At the end of the server contacts are not told of the end of sessions; when they were seen is noted all the same.</summary>
    private static async ValueTask<Outcome> Remember(StageContext context)
    {
        var presence = context.Node.Presence;
        if (presence.IsAvailable(context.Session!) && !context.Account.Sessions.Any(presence.IsAvailable))
            await new LastSeen(context.Node.Time.GetUtcNow(), "").SaveAsync(context.Node, context.Account).ConfigureAwait(false);
        return Outcome.Continue;
    }

    private static Element Answer(TimeSpan ago, string? status) => new Element("query", Ns.LastActivity)
        .With("seconds", Math.Max(0, (long)ago.TotalSeconds).ToString(CultureInfo.InvariantCulture)).AddText(status);

    /// <summary>Sections 3 and 4: the same answer whether the account exists or not.</summary>
    private static ValueTask<Outcome> Hide(StageContext context) =>
        IsQuestion(context, out var question) && question.To is { Local: not null } to && to.Bare != context.Account.Jid && to.Domain == context.Node.Options.Domain
            ? HideAsync(context, to)
            : ValueTask.FromResult(Outcome.Continue);

    private static async ValueTask<Outcome> HideAsync(StageContext context, Jid to) =>
        (await context.Node.Accounts.LocateAsync(to.Bare).ConfigureAwait(false)).Exists ? Outcome.Continue : Outcome.Reject(StanzaCondition.Forbidden);

    /// <summary>Sections 3 and 4: forbidden to who may not see the user's presence, for a resource too.</summary>
    private static ValueTask<Outcome> Guard(StageContext context) =>
        IsQuestion(context, out var question) && question.From is { } from && from.Bare != context.Account.Jid ? GuardAsync(context, from) : ValueTask.FromResult(Outcome.Continue);

    private static async ValueTask<Outcome> GuardAsync(StageContext context, Jid from) =>
        await context.Node.Presence.SharesPresenceAsync(context.Account, from).ConfigureAwait(false) ? Outcome.Continue : Outcome.Reject(StanzaCondition.Forbidden);

    private static bool IsQuestion(StageContext context, [NotNullWhen(true)] out Iq? question)
    {
        question = context.Stanza is Iq { Type: IqType.Get, Payload: { } payload } iq && payload.Is("query", Ns.LastActivity) ? iq : null;
        return question is not null;
    }
}
