using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0352 Client State Indication: while nobody looks at the client it gets no presence and no chat states, unless
/// something that matters goes out (see <see cref="HeldBack"/>).
/// </summary>
internal sealed class Csi : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0352", "1.0.0", "Client State Indication")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .StreamFeature(static _ => new Element("csi", Ns.Csi))
        .OnBind(new BindInline(Ns.Csi, static (session, element) =>
        {
            OnNonza(session, element);
            return ValueTask.FromResult<Element?>(null);
        }));

    /// <summary>Takes <c>active</c> or <c>inactive</c>. It is done when this returns, so what the client sends next finds it done (section 5.1).</summary>
    /// <exception cref="StreamException">The element is neither.</exception>
    public static void OnNonza(Session session, Element element) => session.SetInactive(element.Name switch
    {
        "active" => false,
        "inactive" => true,
        _ => throw new StreamException(StreamCondition.UnsupportedStanzaType),
    });
}
