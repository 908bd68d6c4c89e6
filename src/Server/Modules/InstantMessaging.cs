using System.Text;
using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>
/// RFC 6121: roster requests (section 2). Presence and subscriptions are in <see cref="PresenceService"/>, messages in the
/// router and the log. Requests to a resource are delivered to it whoever asks: section 8.5.3.1 would keep strangers out,
/// so that they do not learn who is there, but a resource is not to be guessed, and calls and transfers between members of
/// one server would fail that work on every other server.
/// </summary>
internal sealed class InstantMessaging : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("RFC 6121", "", "Extensible Messaging and Presence Protocol (XMPP): Instant Messaging and Presence", "With roster versions (section 2.6) and pre-approval (section 3.4)")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .StreamFeature(static _ => new Element("ver", Ns.RosterVersioning))
        .StreamFeature(static _ => new Element("sub", Ns.PreApproval))
        .Disco(Ns.Roster)
        .OnIq(Target.OwnAccount, IqType.Get, "query", Ns.Roster, Get)
        .OnIq(Target.OwnAccount, IqType.Set, "query", Ns.Roster, Set)
        .On(Stage.Sending, Forbid);

    /// <summary>Section 2.1.3.</summary>
    private static async ValueTask<Element?> Get(IqContext context)
    {
        if (context.Payload.FirstChild is not null) throw new StanzaException(StanzaCondition.BadRequest, "A roster get has no items");
        var presence = context.Node.Presence;
        await presence.Rosters.SendAsync(context.Session, presence.MakeState(context.Session), context.Iq).ConfigureAwait(false);
        return IqContext.Answered;
    }

    /// <summary>Sections 2.1.5 and 2.3 to 2.5.</summary>
    private static async ValueTask<Element?> Set(IqContext context)
    {
        var items = context.Payload.Children("item", Ns.Roster).Take(2).ToArray();
        if (items.Length != 1) throw new StanzaException(StanzaCondition.BadRequest, "A roster set has one item");
        var item = items[0];
        if (item["jid"] is not { } text) throw new StanzaException(StanzaCondition.BadRequest, "An item has a jid");
        if (!Jid.TryParse(text, out var jid)) throw new StanzaException(StanzaCondition.JidMalformed);
        var presence = context.Node.Presence;
        if (item["subscription"] == "remove")
        {
            if (!await presence.RemoveContactAsync(context.Account, jid).ConfigureAwait(false)) throw new StanzaException(StanzaCondition.ItemNotFound);
            return null;
        }
        if (jid == context.Account.Jid) throw new StanzaException(StanzaCondition.NotAllowed, "Nobody is a contact of himself");
        await presence.Rosters.SetAsync(context.Account, jid, NameOf(item), GroupsOf(item)).ConfigureAwait(false);
        return null;
    }

    private static string NameOf(Element item)
    {
        var name = item["name"] ?? "";
        return Encoding.UTF8.GetByteCount(name) <= RosterService.MaxText ? name : throw new StanzaException(StanzaCondition.NotAcceptable, "The name is too long");
    }

    /// <summary>Section 2.3.3. Two groups are the same when their texts are, in Unicode's composed form.</summary>
    private static List<string> GroupsOf(Element item)
    {
        var groups = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var element in item.Children("group", Ns.Roster))
        {
            var group = element.Text;
            if (group.Length == 0) throw new StanzaException(StanzaCondition.NotAcceptable, "A group has a name");
            if (Encoding.UTF8.GetByteCount(group) > RosterService.MaxText) throw new StanzaException(StanzaCondition.NotAcceptable, "The name of a group is too long");
            if (!seen.Add(group.Normalize(NormalizationForm.FormC))) throw new StanzaException(StanzaCondition.BadRequest, "A group stands twice");
            if (groups.Count == RosterService.MaxGroups) throw new StanzaException(StanzaCondition.NotAcceptable, "There are too many groups");
            groups.Add(group);
        }
        return groups;
    }

    /// <summary>Section 2.3.3: nobody else's roster; the same answer whether that account exists or not.</summary>
    private static ValueTask<Outcome> Forbid(StageContext context) => ValueTask.FromResult(
        context.Stanza is Iq { IsRequest: true, To: { IsBare: true, Local: not null } to, Payload: { } payload } && payload.Is("query", Ns.Roster) && to != context.Account.Jid
            ? Outcome.Reject(StanzaCondition.Forbidden)
            : Outcome.Continue);
}
