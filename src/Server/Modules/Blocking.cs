using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0191 Blocking Command. Blocking is polite: subscriptions stay, the blocked one sees the user offline. Presence looks
/// at the lists itself (<see cref="PresenceService"/>), since a broadcast has many receivers.
/// </summary>
internal sealed class Blocking : Module
{
    /// <summary>Addresses that one account may block.</summary>
    public const int MaxItems = 1000;

    private static readonly Outcome Blocked = Outcome.Reject(new StanzaError(StanzaCondition.NotAcceptable, StanzaErrorType.Cancel, null, new Element("blocked", Ns.BlockingErrors)));

    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0191", "1.3", "Blocking Command")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.Blocking)
        .OnIq(Target.OwnAccount, IqType.Get, "blocklist", Ns.Blocking, List)
        .OnIq(Target.OwnAccount, IqType.Set, "block", Ns.Blocking, Block)
        .OnIq(Target.OwnAccount, IqType.Set, "unblock", Ns.Blocking, Unblock)
        .On(Stage.Sending, Sending)
        .On(Stage.Delivering, Delivering);

    // --- the list (sections 3.2 to 3.5) ---

    private static async ValueTask<Element?> List(IqContext context)
    {
        var presence = context.Node.Presence;
        var roster = await presence.Rosters.OfAsync(context.Account).ConfigureAwait(false);
        using var gate = await roster.EnterAsync().ConfigureAwait(false);
        var list = await presence.Blocks.OfAsync(context.Account).ConfigureAwait(false);
        presence.MakeState(context.Session).WantsBlockList = true;
        context.Session.Send(context.Iq.Result(With("blocklist", list.Jids.Order(ByText))));
        return IqContext.Answered;
    }

    private static async ValueTask<Element?> Block(IqContext context)
    {
        var wanted = ItemsOf(context.Payload);
        if (wanted.Count == 0) throw new StanzaException(StanzaCondition.BadRequest, "Whom to block is missing");
        var presence = context.Node.Presence;
        var roster = await presence.Rosters.OfAsync(context.Account).ConfigureAwait(false);
        using var gate = await roster.EnterAsync().ConfigureAwait(false);
        var old = await presence.Blocks.OfAsync(context.Account).ConfigureAwait(false);
        Jid[] added = [.. wanted.Where(j => !old.Contains(j))];
        if (old.Jids.Count + added.Length > MaxItems)
            throw new StanzaException(new StanzaError(StanzaCondition.ResourceConstraint, StanzaErrorType.Cancel, $"A block list has {MaxItems} addresses at most"));
        if (added.Length > 0)
        {
            await presence.HideFromAsync(context.Account, new BlockList(added)).ConfigureAwait(false);
            await presence.Blocks.SaveAsync(context.Account, new BlockList([.. old.Jids, .. added])).ConfigureAwait(false);
        }
        Push(context, With("block", wanted));
        return IqContext.Answered;
    }

    private static async ValueTask<Element?> Unblock(IqContext context)
    {
        var wanted = ItemsOf(context.Payload);
        var presence = context.Node.Presence;
        var roster = await presence.Rosters.OfAsync(context.Account).ConfigureAwait(false);
        using var gate = await roster.EnterAsync().ConfigureAwait(false);
        var old = await presence.Blocks.OfAsync(context.Account).ConfigureAwait(false);
        Jid[] removed = [.. wanted.Count == 0 ? old.Jids : wanted.Where(old.Contains)];
        if (removed.Length > 0)
        {
            await presence.Blocks.SaveAsync(context.Account, new BlockList(old.Jids.Except(removed))).ConfigureAwait(false);
            await presence.ShowToAsync(context.Account, new BlockList(removed)).ConfigureAwait(false);
        }
        Push(context, With("unblock", wanted));
        return IqContext.Answered;
    }

    /// <summary>The answer, then the same to every resource that asked for the list.</summary>
    private static void Push(IqContext context, Element change)
    {
        context.Session.Send(context.Iq.Result());
        foreach (var session in context.Account.Sessions)
        {
            if (context.Node.Presence.StateOf(session)?.WantsBlockList != true) continue;
            session.Send(new Element("iq", Ns.Client).With("type", "set").With("id", "block-" + Ids.Short()).With("to", session.Jid.ToString()).Add(change));
        }
    }

    private static HashSet<Jid> ItemsOf(Element payload)
    {
        var jids = new HashSet<Jid>();
        foreach (var item in payload.Children("item", Ns.Blocking))
        {
            if (item["jid"] is not { } text) throw new StanzaException(StanzaCondition.BadRequest, "An item has a jid");
            if (!Jid.TryParse(text, out var jid)) throw new StanzaException(StanzaCondition.JidMalformed);
            jids.Add(jid);
        }
        return jids;
    }

    private static readonly Comparer<Jid> ByText = Comparer<Jid>.Create(static (a, b) => string.CompareOrdinal(a.ToString(), b.ToString()));

    private static Element With(string name, IEnumerable<Jid> jids)
    {
        var element = new Element(name, Ns.Blocking);
        foreach (var jid in jids) element.Add(new Element("item", Ns.Blocking).With("jid", jid.ToString()));
        return element;
    }

    // --- what is blocked (section 3.3) ---

    private static ValueTask<Outcome> Sending(StageContext context) =>
        context.Stanza?.To is { } to && IsOther(context, to)
            ? CheckAsync(context, to, Blocked)
            : ValueTask.FromResult(Outcome.Continue);

    private static ValueTask<Outcome> Delivering(StageContext context) =>
        context.Stanza?.From is { } from && IsOther(context, from)
            ? CheckAsync(context, from, Refusal(context.Stanza))
            : ValueTask.FromResult(Outcome.Continue);

    /// <summary>One's own resources and the server itself cannot be blocked (section 5).</summary>
    private static bool IsOther(StageContext context, Jid jid) =>
        jid.Bare != context.Account.Jid && (jid.Local is not null || jid.Domain != context.Node.Options.Domain);

    private static ValueTask<Outcome> CheckAsync(StageContext context, Jid jid, Outcome refusal)
    {
        var list = context.Node.Presence.Blocks.OfAsync(context.Account);
        return list.IsCompletedSuccessfully
            ? ValueTask.FromResult(list.Result.Matches(jid) ? refusal : Outcome.Continue)
            : LoadAndCheckAsync(list, jid, refusal);
    }

    private static async ValueTask<Outcome> LoadAndCheckAsync(ValueTask<BlockList> list, Jid jid, Outcome refusal) =>
        (await list.ConfigureAwait(false)).Matches(jid) ? refusal : Outcome.Continue;

    /// <summary>What a blocked sender is told: nothing but what an absent user's server says.</summary>
    private static Outcome Refusal(Stanza stanza) => stanza switch
    {
        Message { Type: not MessageType.Error } => Outcome.Reject(StanzaCondition.ServiceUnavailable),
        Iq { IsRequest: true } => Outcome.Reject(StanzaCondition.ServiceUnavailable),
        _ => Outcome.Handled,
    };
}
