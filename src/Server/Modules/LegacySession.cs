using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;

namespace Indaba.Server.Modules;

/// <summary>The session request of RFC 3921 section 3, which older clients still send; RFC 6121 made it a no-op.</summary>
internal sealed class LegacySession : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .OnIq(Target.OwnAccount, IqType.Set, "session", Ns.Session, _ => ValueTask.FromResult<Xmpp.Xml.Element?>(null))
        .OnIq(Target.Server, IqType.Set, "session", Ns.Session, _ => ValueTask.FromResult<Xmpp.Xml.Element?>(null));
}
