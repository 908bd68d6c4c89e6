using System.Text;
using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0441 Message Archive Management Preferences: whose messages stay in the archive. Delivery does not depend on it.</summary>
internal sealed class ArchivePreferences : Module
{
    private const string Store = "archive";
    private const string Key = "preferences";
    private static readonly SemaphoreSlim Changing = new(1, 1); // what is on disk and what is in memory change in the same order
    private Slot<ArchiveRules> _slot = null!;

    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0441", "0.2.0", "Message Archive Management Preferences")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m)
    {
        _slot = m.AccountSlot<ArchiveRules>();
        m.OnIq(Target.OwnAccount, IqType.Get, "prefs", Ns.Mam, GetAsync)
            .OnIq(Target.OwnAccount, IqType.Set, "prefs", Ns.Mam, SetAsync)
            // Section 2.4.2 and 2.4.3: what goes out by its 'to', what comes in by its 'from'.
            .On(Stage.Sending, context => context.Stanza is Message message ? ApplyAsync(context, message.To ?? context.Account.Jid) : ValueTask.FromResult(Outcome.Continue))
            .On(Stage.Delivering, context => context.Stanza is Message { From: { } from } ? ApplyAsync(context, from) : ValueTask.FromResult(Outcome.Continue));
    }

    private ValueTask<Outcome> ApplyAsync(StageContext context, Jid other)
    {
        if (context.Plan is not { Archive: true } plan) return ValueTask.FromResult(Outcome.Continue);
        if (context.Account.Get(_slot) is not { } rules) return LoadAndApplyAsync(context, plan, other);
        if (rules == ArchiveRules.Default) return ValueTask.FromResult(Outcome.Continue);
        if (rules.Decide(other) is { } decided)
        {
            plan.Archive = decided;
            return ValueTask.FromResult(Outcome.Continue);
        }
        return AskRosterAsync(context, plan, other);
    }

    private async ValueTask<Outcome> LoadAndApplyAsync(StageContext context, StorePlan plan, Jid other)
    {
        var rules = await LoadAsync(context.Node, context.Account).ConfigureAwait(false);
        if (rules.Decide(other) is not { } decided) return await AskRosterAsync(context, plan, other).ConfigureAwait(false);
        plan.Archive = decided;
        return Outcome.Continue;
    }

    /// <summary>Default "roster": by the bare JID (section 2.4.1).</summary>
    private static async ValueTask<Outcome> AskRosterAsync(StageContext context, StorePlan plan, Jid other)
    {
        var roster = await context.Node.Presence.Rosters.OfAsync(context.Account).ConfigureAwait(false);
        plan.Archive = roster.Find(other.Bare) is { IsListed: true };
        return Outcome.Continue;
    }

    private async ValueTask<ArchiveRules> LoadAsync(Node node, Account account)
    {
        if (account.Get(_slot) is { } known) return known;
        var stored = await node.Data.GetAsync(account.Id, Store, Key).ConfigureAwait(false);
        var rules = stored is null ? ArchiveRules.Default : ArchiveRules.Parse(XmppReader.ReadStored(stored, Ns.Mam), int.MaxValue);
        lock (account.Lock)
        {
            if (account.Get(_slot) is { } other) return other; // loaded, and perhaps changed, meanwhile
            account.Set(_slot, rules);
        }
        return rules;
    }

    private async ValueTask<Element?> GetAsync(IqContext context) => (await LoadAsync(context.Node, context.Account).ConfigureAwait(false)).ToElement();

    private async ValueTask<Element?> SetAsync(IqContext context)
    {
        var account = context.Account;
        var rules = ArchiveRules.Parse(context.Payload, context.Node.Options.Limits.RosterItems);
        await Changing.WaitAsync().ConfigureAwait(false);
        try
        {
            if (rules == ArchiveRules.Default) await context.Node.Data.DeleteAsync(account.Id, Store, Key).ConfigureAwait(false);
            else await context.Node.Data.SetAsync(account.Id, Store, Key, XmppWriter.ToBytes(rules.ToElement(), Ns.Mam)).ConfigureAwait(false);
            lock (account.Lock) account.Set(_slot, rules);
        }
        finally
        {
            Changing.Release();
        }
        return rules.ToElement();
    }
}

/// <summary>What an account wants in its archive (XEP-0441 section 2).</summary>
internal sealed class ArchiveRules
{
    /// <summary>Everything: what stands until the user says otherwise.</summary>
    public static readonly ArchiveRules Default = new("always", [], []);

    private readonly string _default;
    private readonly HashSet<Jid> _always, _never;

    private ArchiveRules(string @default, HashSet<Jid> always, HashSet<Jid> never) => (_default, _always, _never) = (@default, always, never);

    /// <summary>Reads a <c>prefs</c> element; equal to <see cref="Default"/> by reference when it says the same.</summary>
    /// <param name="prefs">The element.</param>
    /// <param name="max">JIDs in each list.</param>
    /// <exception cref="StanzaException">bad-request, jid-malformed, or policy-violation when a list is too long.</exception>
    public static ArchiveRules Parse(Element prefs, int max)
    {
        if (prefs["default"] is not ("always" or "never" or "roster")) throw new StanzaException(StanzaCondition.BadRequest, "default is always, never or roster");
        var rules = new ArchiveRules(prefs["default"]!, Jids(prefs, "always", max), Jids(prefs, "never", max));
        return rules is { _default: "always", _always.Count: 0, _never.Count: 0 } ? Default : rules;
    }

    /// <summary>Whether messages to or from an address are archived; null when the roster decides. The same JID in both lists is never archived: the cautious reading.</summary>
    public bool? Decide(Jid other)
    {
        if (IsIn(_never, other)) return false;
        if (_default == "always" || IsIn(_always, other)) return true;
        return _default == "never" ? false : null;
    }

    /// <summary>The <c>prefs</c> element, both lists always there (section 2).</summary>
    public Element ToElement() => new Element("prefs", Ns.Mam).With("default", _default).Add(List("always", _always)).Add(List("never", _never));

    /// <summary>Section 2.4.1: a bare JID in the list stands for all its resources.</summary>
    private static bool IsIn(HashSet<Jid> list, Jid jid) => list.Count > 0 && (list.Contains(jid) || (jid.IsFull && list.Contains(jid.Bare)));

    private static HashSet<Jid> Jids(Element prefs, string name, int max)
    {
        var jids = new HashSet<Jid>();
        if (prefs.Child(name, Ns.Mam) is not { } list) return jids;
        foreach (var element in list.Children("jid", Ns.Mam))
        {
            if (!Jid.TryParse(element.Text.Trim(), out var jid)) throw new StanzaException(StanzaCondition.JidMalformed);
            if (jids.Add(jid) && jids.Count > max) throw new StanzaException(StanzaCondition.PolicyViolation, $"at most {max} JIDs");
        }
        return jids;
    }

    private static Element List(string name, HashSet<Jid> jids)
    {
        var list = new Element(name, Ns.Mam);
        foreach (var jid in jids.OrderBy(static j => j.ToString(), StringComparer.Ordinal)) list.Add("jid", Ns.Mam, jid.ToString());
        return list;
    }
}
