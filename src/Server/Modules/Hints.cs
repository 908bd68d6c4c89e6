using Indaba.Xmpp;

namespace Indaba.Server.Modules;

/// <summary>
/// What of a message is kept, and for how long: XEP-0334 Message Processing Hints and XEP-0160 for messages to those who
/// are not there. The rules stand in <see cref="Accounts.StorePlan"/>; the log keeps what is pending (see docs/architecture.md).
/// </summary>
internal sealed class Hints : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs =>
    [
        new("XEP-0334", "1.0.0", "Message Processing Hints"),
        new("XEP-0160", "1.0.1", "Best Practices for Handling Offline Messages"),
    ];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m.Disco(Ns.OfflineFeature);
}
