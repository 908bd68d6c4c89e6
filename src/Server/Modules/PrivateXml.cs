using System.Buffers;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0049 Private XML Storage: what older clients keep on the server (bookmarks, preferences). The data of others are
/// out of reach by having no handler, so that the answer is the same whether they exist or not.
/// </summary>
internal sealed class PrivateXml : Module
{
    private const string Store = "private";
    /// <summary>Bytes of one element. Bookmarks of 300 rooms fit.</summary>
    public const int MaxBytes = 65_536;
    /// <summary>Elements of one account.</summary>
    public const int MaxItems = 50;
    /// <summary>Characters of an element's name and namespace, which it is kept under.</summary>
    public const int MaxKey = 256;

    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0049", "1.2", "Private XML Storage")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.PrivateXml)
        .OnIq(Target.OwnAccount, IqType.Get, "query", Ns.PrivateXml, Get)
        .OnIq(Target.OwnAccount, IqType.Set, "query", Ns.PrivateXml, Set);

    private static async ValueTask<Element?> Get(IqContext context)
    {
        var asked = context.Payload.Elements.Take(2).ToArray();
        if (asked.Length != 1) throw new StanzaException(StanzaCondition.BadRequest, "One element is asked for at a time");
        var key = KeyOf(asked[0]);
        var value = await context.Node.Data.GetAsync(context.Account.Id, Store, key).ConfigureAwait(false);
        var element = value is null ? new Element(asked[0].Name, asked[0].Namespace) : XmppReader.ReadFrame(new ReadOnlySequence<byte>(value), new XmppReaderLimits());
        return new Element("query", Ns.PrivateXml).Add(element);
    }

    private static async ValueTask<Element?> Set(IqContext context)
    {
        var elements = context.Payload.Elements.ToArray();
        if (elements.Length == 0) throw new StanzaException(StanzaCondition.NotAcceptable, "There is nothing to store");
        var values = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var element in elements) values[KeyOf(element)] = BytesOf(element);
        var (node, account) = (context.Node, context.Account.Id);
        var known = await node.Data.ListAsync(account, Store, MaxItems + 1).ConfigureAwait(false);
        if (known.Select(k => k.Key).Union(values.Keys).Count() > MaxItems)
            throw new StanzaException(new StanzaError(StanzaCondition.ResourceConstraint, StanzaErrorType.Cancel, $"{MaxItems} elements are kept at most"));
        await Task.WhenAll(values.Select(v => node.Data.SetAsync(account, Store, v.Key, v.Value))).ConfigureAwait(false);
        return null;
    }

    private static byte[] BytesOf(Element element)
    {
        var bytes = XmppWriter.ToBytes(element, "");
        return bytes.Length <= MaxBytes ? bytes : throw new StanzaException(StanzaCondition.NotAcceptable, $"An element has {MaxBytes} bytes at most");
    }

    /// <summary>An element is kept by name and namespace; namespaces of the protocol itself are not for private data (section 2.3).</summary>
    private static string KeyOf(Element element)
    {
        var ns = element.Namespace;
        if (ns.Length == 0 || ns.StartsWith(Ns.Reserved, StringComparison.Ordinal) || ns.StartsWith(Ns.ReservedHttp, StringComparison.Ordinal) || ns == Ns.VCard)
            throw new StanzaException(StanzaCondition.NotAcceptable, "The namespace is reserved");
        var key = $"{element.Name} {ns}";
        return key.Length <= MaxKey ? key : throw new StanzaException(StanzaCondition.NotAcceptable, "The name is too long");
    }
}
