using Indaba.Server.Accounts;
using Indaba.Xmpp;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0333 Displayed Markers. As with <see cref="Receipts"/>: clients make them, the conversation learns of them. A marker
/// covers all before it and never moves back (section 5).
/// </summary>
internal sealed class ChatMarkers : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0333", "1.0.0", "Displayed Markers", "Between clients; kept for those who are away")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m.On(Stage.Delivering, static context =>
        context.Stanza?.Element.Child("displayed", Ns.ChatMarkers) is { } displayed ? Ticks.MoveAsync(context, displayed["id"], displayed: true) : ValueTask.FromResult(Outcome.Continue));
}
