using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>One command of the server (XEP-0050): at most one form, then the end. It keeps nothing between the two.</summary>
/// <param name="Node">What names it.</param>
/// <param name="Name">Its label for people.</param>
/// <param name="MayUse">Whether the asker may see and run it.</param>
/// <param name="Run">Runs it: with null at first, then with the form that was submitted.</param>
internal sealed record AdHocCommand(string Node, string Name, Func<IqContext, ValueTask<bool>> MayUse, Func<IqContext, DataForm?, ValueTask<CommandStep>> Run);

/// <summary>Where a run of a command stands: a form to be filled in, or the end with a result, a note, or both.</summary>
internal sealed record CommandStep(bool IsEnd, Element? Form, string? Note = null, bool IsError = false)
{
    /// <summary>Asks for a form; what is submitted ends the command.</summary>
    public static CommandStep Ask(Element form) => new(false, form);
    /// <summary>The end.</summary>
    public static CommandStep End(Element? result, string? note = null) => new(true, result, note);
    /// <summary>The end, without success (section 3.6: with a note that says why).</summary>
    public static CommandStep Fail(string note) => new(true, null, note, IsError: true);
}

/// <summary>What disco says of a node of the server (XEP-0030): each gives the content of its <c>query</c>, or throws item-not-found.</summary>
internal sealed record DiscoNode(Func<IqContext, ValueTask<Element>> Info, Func<IqContext, ValueTask<Element>> Items);

/// <summary>XEP-0050 Ad-Hoc Commands of the server itself. Modules bring them by <see cref="ModuleBuilder.Command"/>.</summary>
internal sealed class AdHoc : Module
{
    private const int MaxSessionId = 128; // it comes back

    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs =>
    [
        new("XEP-0050", "1.3.0", "Ad-Hoc Commands", "Of the server; one form at most"),
        new("XEP-0004", "2.13.2", "Data Forms", "src/Xmpp/Stanzas/DataForm.cs: in disco#info, archive queries, registration and commands"),
    ];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.Commands)
        .DiscoNode(Ns.Commands, new DiscoNode(static _ => ValueTask.FromResult(ListInfo()), ItemsAsync))
        .OnIq(Target.Server, IqType.Set, "command", Ns.Commands, RunAsync);

    /// <summary>What disco says of one command (section 2.3).</summary>
    public static DiscoNode DiscoOf(AdHocCommand command) => new(
        async c => await command.MayUse(c).ConfigureAwait(false) ? Info(command) : throw Forbidden(),
        async c => await command.MayUse(c).ConfigureAwait(false) ? new Element("query", Ns.DiscoItems).With("node", command.Node) : throw Forbidden());

    private static Element ListInfo() => new Element("query", Ns.DiscoInfo).With("node", Ns.Commands)
        .Add(new Element("identity", Ns.DiscoInfo).With("category", "automation").With("type", "command-list"));

    private static Element Info(AdHocCommand command) => new Element("query", Ns.DiscoInfo).With("node", command.Node)
        .Add(new Element("identity", Ns.DiscoInfo).With("category", "automation").With("type", "command-node").With("name", command.Name))
        .Add(new Element("feature", Ns.DiscoInfo).With("var", Ns.Commands))
        .Add(new Element("feature", Ns.DiscoInfo).With("var", Ns.DataForms));

    /// <summary>Section 2.2: those that the asker may run.</summary>
    private static async ValueTask<Element> ItemsAsync(IqContext context)
    {
        var query = new Element("query", Ns.DiscoItems).With("node", Ns.Commands);
        foreach (var command in context.Node.Modules.Commands.Values)
        {
            if (await command.MayUse(context).ConfigureAwait(false))
                query.Add(new Element("item", Ns.DiscoItems).With("jid", context.Node.Options.Domain).With("node", command.Node).With("name", command.Name));
        }
        return query;
    }

    private static async ValueTask<Element?> RunAsync(IqContext context)
    {
        var request = context.Payload;
        if (request["node"] is not { } node) throw new StanzaException(StanzaCondition.BadRequest);
        if (!context.Node.Modules.Commands.TryGetValue(node, out var command)) throw new StanzaException(StanzaCondition.ItemNotFound);
        if (!await command.MayUse(context).ConfigureAwait(false)) throw Forbidden();
        var session = request["sessionid"];
        if (session is { Length: 0 or > MaxSessionId }) throw Bad("bad-sessionid");
        var form = request.Child("x", Ns.DataForms) is { } x ? DataForm.Parse(x) : null;
        switch (request["action"])
        {
            case null or "execute" or "complete":
                break;
            case "cancel":
                return Answer(command, session, "canceled");
            case "next" or "prev":
                throw Bad("bad-action");
            default:
                throw Bad("malformed-action");
        }
        if (session is not null && form is null) throw Bad("bad-payload");
        var step = await command.Run(context, form).ConfigureAwait(false);
        var answer = Answer(command, session, step.IsEnd ? "completed" : "executing");
        if (!step.IsEnd) answer.Add(new Element("actions", Ns.Commands).With("execute", "complete").Add("complete", Ns.Commands));
        if (step.Note is not null) answer.Add(new Element("note", Ns.Commands).With("type", step.IsError ? "error" : "info").AddText(step.Note));
        return answer.Add(step.Form);
    }

    private static Element Answer(AdHocCommand command, string? session, string status) =>
        new Element("command", Ns.Commands).With("node", command.Node).With("sessionid", session ?? Ids.Short()).With("status", status);

    /// <summary>A payload that the command cannot take (section 4.5).</summary>
    public static StanzaException BadPayload() => Bad("bad-payload");

    private static StanzaException Bad(string condition) =>
        new(StanzaError.Of(StanzaCondition.BadRequest, null, new Element(condition, Ns.Commands)));

    private static StanzaException Forbidden() => new(new StanzaError(StanzaCondition.Forbidden, StanzaErrorType.Cancel));
}
