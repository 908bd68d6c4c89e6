using Indaba.Xmpp.Xml;

namespace Indaba.Server.Streams;

/// <summary>What a client may do before it has logged in: register (XEP-0077, XEP-0379, XEP-0445).</summary>
internal static class PreLogin
{
    /// <summary>Adds the features that are open before login.</summary>
    public static void AddFeatures(Node node, Element features) { _ = node; _ = features; }

    /// <summary>Takes an element; null when it has no business before login.</summary>
    public static ValueTask<Element?> TryTakeAsync(Node node, ClientStream stream, Element element)
    {
        _ = node; _ = stream; _ = element;
        return ValueTask.FromResult<Element?>(null);
    }
}
