using Indaba.Server.Accounts;
using Indaba.Server.Mailbox;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>A query of XEP-0313 section 4, read and checked: what to look for, and how to answer.</summary>
internal sealed class ArchiveRequest
{
    private const int MaxQueryId = 256; // it comes back in every result: a long one would multiply
    private readonly HashSet<long> _known = [];

    /// <summary>What to ask of the log.</summary>
    public required ArchiveQuery Query { get; init; }
    /// <summary>The client's name for the query, repeated in each result.</summary>
    public required string? QueryId { get; init; }
    /// <summary>The page as it was asked for.</summary>
    public required ResultSet Page { get; init; }
    /// <summary>Newest first within the page (section 4.3.5).</summary>
    public required bool Flip { get; init; }
    /// <summary>Entries that the client named: each must be in the archive, else item-not-found (sections 4.1.3 and 4.3.2).</summary>
    public IReadOnlyCollection<long> Known => _known;

    /// <summary>Reads the payload of a query to the account's own archive.</summary>
    /// <param name="maxPage">The largest page; more ids than that cannot be asked for at once.</param>
    /// <exception cref="StanzaException">bad-request, feature-not-implemented (a field that is not known) or item-not-found.</exception>
    public static ArchiveRequest Parse(Element payload, Account account, int maxPage)
    {
        if (payload["node"] is not null) throw new StanzaException(StanzaCondition.ItemNotFound, "an account's archive has no nodes");
        var queryId = payload["queryid"];
        if (queryId is { Length: > MaxQueryId }) throw new StanzaException(StanzaCondition.BadRequest, "queryid is too long");
        var page = ResultSet.Of(payload);
        if (page.Index is not null) throw new StanzaException(StanzaCondition.FeatureNotImplemented, "pages by index are not to be had");
        var filter = new Filter(account, maxPage);
        if (payload.Child("x", Ns.DataForms) is { } x) filter.Read(DataForm.Parse(x));
        if (page.After is not null) filter.After(page.After);
        if (!string.IsNullOrEmpty(page.Before)) filter.Before(page.Before);
        var request = new ArchiveRequest
        {
            QueryId = queryId,
            Page = page,
            Flip = payload.Child("flip-page", Ns.Mam) is not null,
            Query = filter.Query with
            {
                FromEnd = page.Backwards,
                Limit = Math.Min(page.Max ?? maxPage, maxPage),
                WantCount = !filter.Bounded,
            },
        };
        request._known.UnionWith(filter.Named);
        return request;
    }

    /// <summary>The filters of section 4.1.</summary>
    private sealed class Filter(Account account, int maxIds)
    {
        public ArchiveQuery Query { get; private set; } = new(account.Id);
        public HashSet<long> Named { get; } = [];
        /// <summary>before-id or after-id bound the set itself, which the log's count does not know.</summary>
        public bool Bounded { get; private set; }

        public void Read(DataForm form)
        {
            if (form.Type != "submit" || form.FormType != Ns.Mam) throw new StanzaException(StanzaCondition.BadRequest, "the form is not of this kind");
            foreach (var field in form.Fields)
            {
                if (field.Values.Count > 1 && field.Var != "ids") throw Bad(field);
                // A field without a value is one left open (XEP-0004 section 3.1): no filter.
                if (field.Value is { } value && (value.Length > 0 || field.Var == "ids")) Take(field, value);
                else if (field.Var is not ("with" or "start" or "end" or "before-id" or "after-id" or "ids" or "include-groupchat")) throw Unknown(field);
            }
        }

        private void Take(FormField field, string value)
        {
            switch (field.Var)
            {
                case "FORM_TYPE":
                    break;
                case "with":
                    Query = Query with { With = Jid.TryParse(value, out var with) ? with.ToString() : throw Bad(field) };
                    break;
                case "start":
                    Query = Query with { Start = Time(field, value, TimeSpan.TicksPerMillisecond - 1) }; // up: not earlier than asked
                    break;
                case "end":
                    Query = Query with { End = Time(field, value, 0) };
                    break;
                case "before-id":
                    Before(value);
                    Bounded = true;
                    break;
                case "after-id":
                    After(value);
                    Bounded = true;
                    break;
                case "ids":
                    if (field.Values.Count > maxIds) throw new StanzaException(StanzaCondition.PolicyViolation, $"ask for at most {maxIds} ids at once");
                    Query = Query with { Seqs = field.Values.Select(Find).ToHashSet() };
                    break;
                case "include-groupchat":
                    // Accounts' archives have no groupchat, and say so by not announcing #groupchat-available: either answer is right.
                    if (DataForm.Boolean(value) is null) throw Bad(field);
                    break;
                default:
                    throw Unknown(field);
            }
        }

        public void After(string id)
        {
            var seq = Find(id);
            Query = Query with { AfterSeq = Math.Max(Query.AfterSeq ?? 0, seq) };
        }

        public void Before(string id)
        {
            var seq = Find(id);
            Query = Query with { BeforeSeq = Math.Min(Query.BeforeSeq ?? long.MaxValue, seq) };
        }

        private long Find(string id)
        {
            if (!StanzaIds.TryParse(id, out var tag, out var seq) || tag != account.Row.Tag) throw new StanzaException(StanzaCondition.ItemNotFound, "an id is not in the archive");
            Named.Add(seq);
            return seq;
        }

        private static long Time(FormField field, string value, long roundUp)
        {
            if (!Timestamp.TryParse(value.Trim(), out var time)) throw Bad(field);
            return (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks + roundUp) is var ticks && ticks >= 0 ? ticks / TimeSpan.TicksPerMillisecond : 0;
        }

        private static StanzaException Bad(FormField field) => new(StanzaCondition.BadRequest, $"the field '{Short(field)}' is not valid");

        private static StanzaException Unknown(FormField field) => new(StanzaCondition.FeatureNotImplemented, $"the field '{Short(field)}' is not known");

        private static string Short(FormField field) => field.Var.Length <= 64 ? field.Var : field.Var[..64];
    }
}
