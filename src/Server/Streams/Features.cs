using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Streams;

/// <summary>The stream features of each phase (RFC 6120 section 4.3.2).</summary>
internal static class Features
{
    /// <summary>The features as bytes.</summary>
    public static byte[] ToBytes(Node node, ClientStream stream, SaslOffer offer)
    {
        var features = new Element("features", Ns.Stream);
        if (stream.Phase == Phase.Unauthenticated) AddUnauthenticated(node, stream, offer, features);
        else if (stream.Phase == Phase.Authenticated) AddAuthenticated(node, features);
        return XmppWriter.ToBytes(features, Ns.Client);
    }

    private static void AddUnauthenticated(Node node, ClientStream stream, SaslOffer offer, Element features)
    {
        if (stream.Channel.CanStartTls)
        {
            var tls = new Element("starttls", Ns.Tls);
            if (offer.Mechanisms.Count == 0) tls.Add("required", Ns.Tls);
            features.Add(tls);
        }
        if (offer.Mechanisms.Count > 0)
        {
            var sasl = new Element("mechanisms", Ns.Sasl);
            foreach (var mechanism in offer.Mechanisms) sasl.Add("mechanism", Ns.Sasl, mechanism);
            features.Add(sasl);
            features.Add(Sasl2(node, offer));
            if (offer.BindingTypes.Count > 0)
            {
                var binding = new Element("sasl-channel-binding", Ns.ChannelBinding);
                foreach (var type in offer.BindingTypes) binding.Add(new Element("channel-binding", Ns.ChannelBinding).With("type", type));
                features.Add(binding);
            }
            PreLogin.AddFeatures(node, stream, features);
        }
    }

    /// <summary>XEP-0388 section 2.1, with what can be done in the same round trip (XEP-0386, XEP-0198, XEP-0484).</summary>
    private static Element Sasl2(Node node, SaslOffer offer)
    {
        var sasl2 = new Element("authentication", Ns.Sasl2);
        foreach (var mechanism in offer.Mechanisms) sasl2.Add("mechanism", Ns.Sasl2, mechanism);
        var bindInline = new Element("inline", Ns.Bind2);
        bindInline.Add(new Element("feature", Ns.Bind2).With("var", Ns.StreamManagement));
        foreach (var inline in node.Modules.BindInline) bindInline.Add(new Element("feature", Ns.Bind2).With("var", inline.Feature));
        var fast = new Element("fast", Ns.Fast);
        foreach (var mechanism in offer.FastMechanisms) fast.Add("mechanism", Ns.Fast, mechanism);
        return sasl2.Add(new Element("inline", Ns.Sasl2)
            .Add(new Element("bind", Ns.Bind2).Add(bindInline))
            .Add("sm", Ns.StreamManagement)
            .Add(offer.FastMechanisms.Count > 0 ? fast : null));
    }

    private static void AddAuthenticated(Node node, Element features)
    {
        features.Add(new Element("bind", Ns.Bind).Add("required", Ns.Bind));
        features.Add(new Element("session", Ns.Session).Add("optional", Ns.Session)); // RFC 3921 clients ask for it; RFC 6121 section 1.4 made it a no-op
        features.Add("sm", Ns.StreamManagement);
        foreach (var feature in node.Modules.StreamFeatures) features.Add(feature(node));
    }
}
