using Indaba.Server.Accounts;
using Indaba.Xmpp;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0184 Message Delivery Receipts. Clients make them, the log keeps and delivers them like any message; here the
/// conversation learns of them. No feature is announced: the server never says for a client that it has received.
/// </summary>
internal sealed class Receipts : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0184", "1.4.0", "Message Delivery Receipts", "Between clients; kept for those who are away")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m.On(Stage.Delivering, static context =>
        context.Stanza?.Element.Child("received", Ns.Receipts) is { } received ? Ticks.MoveAsync(context, received["id"], displayed: false) : ValueTask.FromResult(Outcome.Continue));
}
