using Indaba.Server.Accounts;
using Indaba.Server.Mailbox;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0280 Message Carbons: a user's other resources see what this one sends and receives. Which messages are eligible
/// (section 6.1) says <see cref="StorePlan.Of"/>, and the hooks here where it takes more than the message; who gets a copy
/// says <see cref="Copies.Decide"/>.
/// </summary>
internal sealed class Carbons : Module
{
    private const int MaxScan = 200; // entries with the peer that an error may be the answer to

    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0280", "1.0.1", "Message Carbons")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.Carbons, Ns.CarbonsRules)
        .OnIq(Target.OwnAccount, IqType.Set, "enable", Ns.Carbons, static c => Switch(c, true))
        .OnIq(Target.OwnAccount, IqType.Set, "disable", Ns.Carbons, static c => Switch(c, false))
        .OnBind(new BindInline(Ns.Carbons, static (session, element) =>
        {
            if (element.Name == "enable") session.Carbons = true; // XEP-0386 section 4.3: no answer is needed
            return ValueTask.FromResult<Element?>(null);
        }))
        .On(Stage.Sending, static c => ErrorAsync(c, Direction.In))
        .On(Stage.Delivering, Receive);

    /// <summary>Sections 4, 5 and 10.1: asking again is no mistake.</summary>
    private static ValueTask<Element?> Switch(IqContext context, bool on)
    {
        context.Session.Carbons = on;
        return ValueTask.FromResult<Element?>(null);
    }

    private static ValueTask<Outcome> Receive(StageContext context)
    {
        if (context.Stanza is not Message message || context.Plan is not { } plan) return ValueTask.FromResult(Outcome.Continue);
        if (message.Type == MessageType.Error) return ErrorAsync(context, Direction.Out);
        // A private message from an occupant of a room: the room sends it to each client that is there (section 6.1).
        if (plan.Copy && message.From is { IsFull: true } && message.Element.Child("x", Ns.MucUser) is { } x && !StorePlan.IsInvitation(x)) plan.Copy = false;
        return ValueTask.FromResult(Outcome.Continue);
    }

    /// <summary>An error is copied when what it answers was (section 6.1). That message is in the log of this account.</summary>
    private static ValueTask<Outcome> ErrorAsync(StageContext context, Direction answered)
    {
        if (context is not { Stanza: Message { Type: MessageType.Error, Id: { } id } message, Plan: { } plan } || context.Account.Sessions.Length < 2)
            return ValueTask.FromResult(Outcome.Continue);
        var peer = answered == Direction.Out ? message.From : message.To;
        return peer is null ? ValueTask.FromResult(Outcome.Continue) : FindAsync(context, plan, peer.Value.Bare.ToString(), id, answered);
    }

    private static async ValueTask<Outcome> FindAsync(StageContext context, StorePlan plan, string peer, string id, Direction answered)
    {
        var entry = await context.Node.Mailbox.FindByMessageIdAsync(context.Account.Id, peer, id, answered, MaxScan).ConfigureAwait(false);
        plan.Copy = entry is not null && !entry.Flags.HasFlag(EntryFlags.Private);
        return Outcome.Continue;
    }
}
