using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0202 Entity Time of the server, in UTC: where it stands is nobody's business.</summary>
internal sealed class EntityTime : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0202", "2.0", "Entity Time")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.Time)
        .OnIq(Target.Server, IqType.Get, "time", Ns.Time, static c => ValueTask.FromResult<Element?>(
            new Element("time", Ns.Time).Add("tzo", Ns.Time, "+00:00").Add("utc", Ns.Time, Timestamp.Format(c.Node.Time.GetUtcNow()))));
}
