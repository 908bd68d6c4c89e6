using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0030 Service Discovery and XEP-0128: what the modules have registered, for the server and for accounts.</summary>
internal sealed class Disco : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs =>
    [
        new("XEP-0030", "2.5.0", "Service Discovery"),
        new("XEP-0128", "1.0.1", "Service Discovery Extensions"),
    ];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.DiscoInfo, Ns.DiscoItems)
        .DiscoAccount(Ns.DiscoInfo, Ns.DiscoItems)
        .OnIq(Target.Server, IqType.Get, "query", Ns.DiscoInfo, ServerInfo)
        .OnIq(Target.Server, IqType.Get, "query", Ns.DiscoItems, ServerItems)
        .OnIq(Target.OwnAccount, IqType.Get, "query", Ns.DiscoInfo, AccountInfo)
        .OnIq(Target.OwnAccount, IqType.Get, "query", Ns.DiscoItems, AccountItems)
        .OnIq(Target.OtherAccount, IqType.Get, "query", Ns.DiscoInfo, AccountInfo)
        .OnIq(Target.OtherAccount, IqType.Get, "query", Ns.DiscoItems, AccountItems)
        .On(Stage.Sending, Hide);

    /// <summary>The server's answer to disco#info, without a node.</summary>
    public static Element Server(Node node)
    {
        var query = new Element("query", Ns.DiscoInfo)
            .Add(new Element("identity", Ns.DiscoInfo).With("category", "server").With("type", "im").With("name", "Indaba"));
        AddFeatures(query, node.Modules.ServerFeatures);
        foreach (var form in node.Modules.ServerForms) query.Add(form(node));
        return query;
    }

    private static async ValueTask<Element?> ServerInfo(IqContext context)
    {
        var node = context.Payload["node"];
        if (node is null || node == Caps.NodeOf(context.Node)) return Server(context.Node).With("node", node);
        return await NodeOf(context, node).Info(context).ConfigureAwait(false);
    }

    private static async ValueTask<Element?> ServerItems(IqContext context) =>
        context.Payload["node"] is { } node ? await NodeOf(context, node).Items(context).ConfigureAwait(false) : new Element("query", Ns.DiscoItems);

    /// <summary>A node that a module has registered.</summary>
    /// <exception cref="StanzaException">item-not-found.</exception>
    private static DiscoNode NodeOf(IqContext context, string node) =>
        context.Node.Modules.DiscoNodes.GetValueOrDefault(node) ?? throw new StanzaException(StanzaCondition.ItemNotFound);

    private static async ValueTask<Element?> AccountInfo(IqContext context)
    {
        await AuthorizeAsync(context).ConfigureAwait(false);
        RefuseNode(context);
        var query = new Element("query", Ns.DiscoInfo)
            .Add(new Element("identity", Ns.DiscoInfo).With("category", "account").With("type", "registered"));
        return AddFeatures(query, context.Node.Modules.AccountFeatures);
    }

    /// <summary>The items of an account are its available resources (section 4.1).</summary>
    private static async ValueTask<Element?> AccountItems(IqContext context)
    {
        if (!await context.Node.Presence.SharesPresenceAsync(context.Account, context.From).ConfigureAwait(false))
            return new Element("query", Ns.DiscoItems).With("node", context.Payload["node"]);
        RefuseNode(context);
        var query = new Element("query", Ns.DiscoItems);
        foreach (var session in context.Account.Sessions)
        {
            if (context.Node.Presence.IsAvailable(session)) query.Add(new Element("item", Ns.DiscoItems).With("jid", session.Jid.ToString()));
        }
        return query;
    }

    /// <summary>Section 8: strangers see no items, as of an account that does not exist.</summary>
    private static ValueTask<Outcome> Hide(StageContext context) =>
        context is { Session: not null, Stanza: Iq { Type: IqType.Get, To: { IsBare: true, Local: not null } to, Payload: { } payload } } && payload.Is("query", Ns.DiscoItems)
            && to != context.Account.Jid && to.Domain == context.Node.Options.Domain
            ? HideAsync(context, to)
            : ValueTask.FromResult(Outcome.Continue);

    private static async ValueTask<Outcome> HideAsync(StageContext context, Jid to)
    {
        if ((await context.Node.Accounts.LocateAsync(to).ConfigureAwait(false)).Exists) return Outcome.Continue; // its owner decides
        var request = (Iq)context.Stanza!;
        context.Session!.Send(request.Result(new Element("query", Ns.DiscoItems).With("node", request.Payload!["node"])));
        return Outcome.Handled;
    }

    /// <summary>Section 8: strangers get what they would get if the account did not exist.</summary>
    private static async ValueTask AuthorizeAsync(IqContext context)
    {
        if (!await context.Node.Presence.SharesPresenceAsync(context.Account, context.From).ConfigureAwait(false))
            throw new StanzaException(StanzaCondition.ServiceUnavailable);
    }

    private static void RefuseNode(IqContext context)
    {
        if (context.Payload["node"] is not null) throw new StanzaException(StanzaCondition.ItemNotFound);
    }

    private static Element AddFeatures(Element query, IReadOnlyList<string> features)
    {
        foreach (var feature in features) query.Add(new Element("feature", Ns.DiscoInfo).With("var", feature));
        return query;
    }
}
