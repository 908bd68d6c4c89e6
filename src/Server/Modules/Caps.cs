using System.Security.Cryptography;
using System.Text;
using Indaba.Server.Options;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0115 Entity Capabilities of the server, as a stream feature (section 6.3): a client that knows the hash needs no
/// disco#info. Those of clients travel in their presence, untouched.
/// </summary>
internal sealed class Caps : Module
{
    /// <summary>Names this software.</summary>
    public const string SoftwareNode = Ns.Software;

    private static Known? known;

    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0115", "1.6.0", "Entity Capabilities")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.Caps)
        .StreamFeature(static node => new Element("c", Ns.Caps).With("hash", "sha-1").With("node", SoftwareNode).With("ver", VerOf(node)));

    /// <summary>The disco#info node that stands for the present capabilities of the server.</summary>
    public static string NodeOf(Node node) => SoftwareNode + "#" + VerOf(node);

    /// <summary>The verification string of the server; computed anew when the settings changed.</summary>
    private static string VerOf(Node node)
    {
        var options = node.Options;
        var last = Volatile.Read(ref known);
        if (last is null || last.Node != node || last.Options != options) Volatile.Write(ref known, last = new Known(node, options, VerOf(Disco.Server(node))));
        return last.Ver;
    }

    private sealed record Known(Node Node, ServerOptions Options, string Ver);

    /// <summary>The verification string of a disco#info result (section 5.1).</summary>
    public static string VerOf(Element query)
    {
        var s = new StringBuilder();
        foreach (var identity in Sorted(query.Children("identity", Ns.DiscoInfo).Select(i => $"{i["category"]}/{i["type"]}/{i.Attribute("lang", Ns.Xml)}/{i["name"]}"))) s.Append(identity).Append('<');
        foreach (var feature in Sorted(query.Children("feature", Ns.DiscoInfo).Select(f => f["var"] ?? ""))) s.Append(feature).Append('<');
        foreach (var form in query.Children("x", Ns.DataForms).Select(x => (Type: FormType(x), Form: x)).Where(f => f.Type is not null).OrderBy(f => f.Type, ByBytes))
        {
            s.Append(form.Type).Append('<');
            foreach (var field in form.Form.Children("field", Ns.DataForms).Where(f => f["var"] is not (null or "FORM_TYPE")).OrderBy(f => f["var"], ByBytes))
            {
                s.Append(field["var"]).Append('<');
                foreach (var value in Sorted(field.Children("value", Ns.DataForms).Select(v => v.Text))) s.Append(value).Append('<');
            }
        }
#pragma warning disable CA5350 // XEP-0115 names SHA-1 as what everybody understands; nothing secret hangs on it
        return Convert.ToBase64String(SHA1.HashData(Encoding.UTF8.GetBytes(s.ToString())));
#pragma warning restore CA5350
    }

    private static string? FormType(Element form) =>
        form.Children("field", Ns.DataForms).FirstOrDefault(f => f["var"] == "FORM_TYPE" && f["type"] == "hidden")?.ChildText("value", Ns.DataForms);

    private static IEnumerable<string> Sorted(IEnumerable<string> texts) => texts.Order(ByBytes);

    /// <summary>"i;octet": by the bytes of UTF-8, which differs from UTF-16 order beyond the basic plane.</summary>
    private static readonly Comparer<string?> ByBytes = Comparer<string?>.Create(static (a, b) => Encoding.UTF8.GetBytes(a ?? "").AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b ?? "")));
}
