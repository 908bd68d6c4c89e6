using System.Text;
using Indaba.Server.Accounts;
using Indaba.Server.Mailbox;
using Indaba.Server.Sessions;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>
/// XEP-0313 Message Archive Management: the account's own log, for its own sessions. Ids are the stanza-ids, so a page
/// begins where the log's key says, and results are the stored bytes, framed.
/// </summary>
internal sealed class Archive : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs =>
    [
        new("XEP-0313", "1.1.3", "Message Archive Management"),
        new("XEP-0059", "1.0", "Result Set Management", "In archive queries; no pages by index"),
        new("XEP-0297", "1.0", "Stanza Forwarding"),
    ];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.Mam, Ns.MamExtended) // COMPAT profanity 0.13 looks for it at the server, not at the account (section 9)
        .OnBound(static (node, session) => MetadataAsync(node, session.Account))
        .DiscoAccount(Ns.Mam, Ns.MamExtended, Ns.MamGroupchatField)
        .Disco(Ns.Mam, Ns.MamExtended) // COMPAT profanity 0.13 looks here for the account's archive, as ejabberd announces it
        .OnIq(Target.OwnAccount, IqType.Set, "query", Ns.Mam, QueryAsync)
        .OnIq(Target.OwnAccount, IqType.Get, "query", Ns.Mam, static _ => ValueTask.FromResult<Element?>(Form()))
        .OnIq(Target.OwnAccount, IqType.Get, "metadata", Ns.Mam, static async c => await MetadataAsync(c.Node, c.Account).ConfigureAwait(false))
        .OnBound(static async (node, session) => await MetadataAsync(node, session.Account).ConfigureAwait(false))
        .OnIq(Target.OtherAccount, IqType.Set, "query", Ns.Mam, Forbid)
        .OnIq(Target.OtherAccount, IqType.Get, "query", Ns.Mam, Forbid)
        .OnIq(Target.OtherAccount, IqType.Get, "metadata", Ns.Mam, Forbid);

    /// <summary>Section 7.1: an archive is its owner's.</summary>
    private static ValueTask<Element?> Forbid(IqContext context) => throw new StanzaException(StanzaCondition.Forbidden);

    /// <summary>Section 5: the ends of the archive, also what Bind 2 tells in <c>bound</c> (XEP-0386 section 4.3).</summary>
    public static async ValueTask<Element?> MetadataAsync(Node node, Account account)
    {
        var metadata = new Element("metadata", Ns.Mam);
        if (await node.Mailbox.BoundsAsync(account.Id).ConfigureAwait(false) is not { } bounds) return metadata;
        return metadata.Add(End("start", bounds.FirstSeq, bounds.FirstAt)).Add(End("end", bounds.LastSeq, bounds.LastAt));

        Element End(string name, long seq, long at) => new Element(name, Ns.Mam)
            .With("id", StanzaIds.Format(account.Row.Tag, seq)).With("timestamp", Timestamp.Format(DateTimeOffset.FromUnixTimeMilliseconds(at)));
    }

    private static async ValueTask<Element?> QueryAsync(IqContext context)
    {
        var (node, session, account) = (context.Node, context.Session, context.Account);
        var request = ArchiveRequest.Parse(context.Payload, account, node.Options.Limits.ArchivePage);
        await CheckKnownAsync(node, account, request.Known).ConfigureAwait(false);
        await session.DrainedAsync().ConfigureAwait(false);
        var room = session.Room;
        if (room.Stanzas == 0 && request.Query.Limit > 0) throw new StanzaException(StanzaCondition.ResourceConstraint, "acknowledge what you were sent first");
        // What the session can take without more memory than one may cost; the client goes on with the next page.
        var query = request.Query with { Limit = Math.Min(request.Query.Limit, Math.Max(room.Stanzas, 1)), MaxBytes = room.Bytes };
        var page = await node.Mailbox.QueryAsync(query).ConfigureAwait(false);
        Send(session, account, request, page.Entries);
        return Fin(account, request, page);
    }

    /// <exception cref="StanzaException">item-not-found: an id that the client named is not in the archive.</exception>
    private static async ValueTask CheckKnownAsync(Node node, Account account, IReadOnlyCollection<long> known)
    {
        if (known.Count > 0 && !await node.Mailbox.HasAllAsync(account.Id, known).ConfigureAwait(false))
            throw new StanzaException(StanzaCondition.ItemNotFound, "an id is not in the archive");
    }

    private static void Send(Session session, Account account, ArchiveRequest request, IReadOnlyList<LogEntry> entries)
    {
        if (entries.Count == 0) return;
        var head = $"<message from='{account.EscapedJid}' to='{Escape(session.Jid.ToString())}'><result xmlns='{Ns.Mam}'{(request.QueryId is { } q ? $" queryid='{Escape(q)}'" : "")} id='";
        var results = new byte[entries.Count][];
        for (var i = 0; i < results.Length; i++) results[i] = Result(head, account, entries[request.Flip ? entries.Count - 1 - i : i]);
        session.SendAll(results);
    }

    /// <summary>One result (section 4.2). The stored bytes lack only the declaration of their default namespace.</summary>
    private static byte[] Result(string head, Account account, LogEntry entry)
    {
        var stamp = Timestamp.Format(DateTimeOffset.FromUnixTimeMilliseconds(entry.At));
        var before = Encoding.UTF8.GetBytes($"{head}{StanzaIds.Format(account.Row.Tag, entry.Seq)}'><forwarded xmlns='{Ns.Forward}'><delay xmlns='{Ns.Delay}' stamp='{stamp}'/><message xmlns='{Ns.Client}'");
        var inner = entry.Stanza.AsSpan("<message".Length);
        var after = "</forwarded></result></message>"u8;
        var result = new byte[before.Length + inner.Length + after.Length];
        before.CopyTo(result, 0);
        inner.CopyTo(result.AsSpan(before.Length));
        after.CopyTo(result.AsSpan(before.Length + inner.Length));
        return result;
    }

    private static Element Fin(Account account, ArchiveRequest request, ArchivePage page)
    {
        // Nothing but the count was asked for: that is all only when there is nothing.
        var complete = request.Query.Limit == 0 ? page.Count == 0 : page.Complete;
        var fin = new Element("fin", Ns.Mam).With("complete", complete ? "true" : null);
        string? first = null, last = null;
        if (page.Entries.Count > 0) (first, last) = (StanzaIds.Format(account.Row.Tag, page.Entries[0].Seq), StanzaIds.Format(account.Row.Tag, page.Entries[^1].Seq));
        return fin.Add(ResultSet.Answer(first, last, Index(request, page), page.Count));
    }

    /// <summary>
    /// The number of the page's first item (optional), where it is known without counting: the first page. Not for pages
    /// backwards: slixmpp takes first index + items = count as the end in either direction.
    /// </summary>
    private static long? Index(ArchiveRequest request, ArchivePage page) =>
        page.Count is null || request.Page.After is not null || request.Page.Backwards ? null : 0;

    /// <summary>Section 4.1.5: the fields that a query may have.</summary>
    private static Element Form()
    {
        var ids = DataForm.Field("ids", "list-multi", null);
        ids.Add(new Element("validate", Ns.DataValidate).With("datatype", "xs:string").Add("open", Ns.DataValidate));
        return new Element("query", Ns.Mam).Add(DataForm.Make("form", Ns.Mam)
            .Add(DataForm.Field("with", "jid-single", null))
            .Add(DataForm.Field("start", "text-single", null))
            .Add(DataForm.Field("end", "text-single", null))
            .Add(DataForm.Field("before-id", "text-single", null))
            .Add(DataForm.Field("after-id", "text-single", null))
            .Add(ids)
            .Add(DataForm.Field("include-groupchat", "boolean", null)));
    }

    private static string Escape(string text) => System.Security.SecurityElement.Escape(text);
}
