using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0199 XMPP Ping: answered by the server for itself and for the client's own account (section 4.2). Pings of the server to clients: <see cref="Sessions.DeliveryAcks"/>.</summary>
internal sealed class Ping : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0199", "2.0.1", "XMPP Ping")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.Ping)
        .DiscoAccount(Ns.Ping)
        .OnIq(Target.Server, IqType.Get, "ping", Ns.Ping, static _ => ValueTask.FromResult<Element?>(null))
        .OnIq(Target.OwnAccount, IqType.Get, "ping", Ns.Ping, static _ => ValueTask.FromResult<Element?>(null));
}
