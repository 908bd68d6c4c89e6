using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0359 Unique and Stable Stanza IDs, and what else only a server may say: takes out of clients' stanzas what others
/// would believe because it seems to come from here. Runs first, so that no other hook sees it.
/// </summary>
/// <remarks>
/// Taken out, never refused: a client that bounces what it was sent carries these elements in good faith (RFC 6120
/// section 8.3.1 lets an error repeat the stanza), and the rest of a message is its author's to send.
/// </remarks>
internal sealed class UniqueIds : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs =>
        [new("XEP-0359", "0.7.0", "Unique and Stable Stanza IDs", "Given by Accounts/Delivery.cs; an origin-id makes a resend one message: Accounts/SendWindow.cs")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.StanzaIds)
        .DiscoAccount(Ns.StanzaIds)
        .On(Stage.Sending, static context =>
        {
            if (context.Stanza is { } stanza and not Iq) Clean(stanza.Element, context.Account.Jid, context.Node.Options.Domain);
            return ValueTask.FromResult(Outcome.Continue);
        });

    /// <summary>Takes out what only a server, a room or the own account may say.</summary>
    /// <param name="stanza">A stanza as its client sent it.</param>
    /// <param name="sender">The sender's bare JID.</param>
    /// <param name="domain">The server's domain; what it hosts stands below it.</param>
    internal static void Clean(Element stanza, Jid sender, string domain)
    {
        var nodes = stanza.Nodes;
        for (var i = 0; i < nodes.Count; i++)
        {
            if (nodes[i] is not Element child || !IsFalse(child, sender, domain)) continue;
            stanza.Remove(e => IsFalse(e, sender, domain));
            return;
        }
    }

    private static bool IsFalse(Element child, Jid sender, string domain) => child.Namespace switch
    {
        // XEP-0359 section 3, rule 2: all of them, whoever's log here they name.
        Ns.StanzaIds => child.Name == "stanza-id" && IsOurs(child["by"], domain),
        // XEP-0203 section 7: a note that seems to be this server's, a room's or another user's. What users say of themselves is theirs.
        Ns.Delay => child.Name == "delay" && child["from"] is { } from && IsOurs(from, domain) && !(Jid.TryParse(from, out var jid) && jid.Bare == sender),
        // XEP-0280 section 11 and XEP-0313 section 7.2: clients must ignore these from strangers. Not all do (CVE-2017-5589, CVE-2020-26547).
        Ns.Carbons => child.Name is "sent" or "received",
        Ns.Mam => child.Name is "result" or "fin",
        // XEP-0421 section 5: given by rooms only.
        Ns.OccupantId => true,
        _ => false,
    };

    /// <summary>True for an address of this server or of what it hosts; also for what is none, which receivers may read in ways of their own.</summary>
    private static bool IsOurs(string? address, string domain)
    {
        if (!Jid.TryParse(address, out var jid)) return true;
        return jid.Domain == domain || (jid.Domain.Length > domain.Length && jid.Domain.EndsWith(domain, StringComparison.Ordinal) && jid.Domain[^(domain.Length + 1)] == '.');
    }
}
