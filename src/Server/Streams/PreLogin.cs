using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Streams;

/// <summary>What a client may do before it has logged in: register (XEP-0077, XEP-0379, XEP-0445).</summary>
internal static class PreLogin
{
    /// <summary>Adds the features that are open before login.</summary>
    public static void AddFeatures(Node node, ClientStream stream, Element features)
    {
        if (!stream.Channel.IsSecure) return; // a password would cross the network in clear
        foreach (var feature in node.Registrar.Features()) features.Add(feature);
    }

    /// <summary>Takes an element; null when it has no business before login.</summary>
    public static async ValueTask<Element?> TryTakeAsync(Node node, ClientStream stream, Element element) =>
        element.Is("iq", Ns.Client) && Registrar.Takes(element)
            ? await node.Registrar.AnswerAsync(stream.Registration ??= new Registration(), element, stream.Channel.Remote, stream.Channel.IsSecure).ConfigureAwait(false)
            : null;
}
