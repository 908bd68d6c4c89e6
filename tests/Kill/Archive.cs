using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Kill;

/// <summary>Reads an account's archive page by page (XEP-0313, XEP-0059).</summary>
internal static class Archive
{
    private const int PageSize = 100;

    /// <summary>The messages of the ledger's pair in the archive of the account logged in, oldest first; <paramref name="after"/> is the stanza-id to begin after.</summary>
    public static async Task<List<Sighting>> Read(WireClient client, Ledger ledger, string? after)
    {
        var found = new List<Sighting>();
        while (true)
        {
            var query = client.NewId();
            var set = new Element("set", Ns.Rsm).Add("max", Ns.Rsm, PageSize.ToString(System.Globalization.CultureInfo.InvariantCulture));
            if (after is not null) set.Add("after", Ns.Rsm, after);
            var answer = await client.Request(new Element("iq", Ns.Client).With("type", "set").Add(new Element("query", Ns.Mam).With("queryid", query).Add(set)));
            var results = client.Inbox.Select(e => e.Child("result", Ns.Mam)).Where(r => r?["queryid"] == query).ToList();
            client.ClearInbox();
            if (answer["type"] == "error")
            {
                // The place to begin is unknown: an archive that lost it. Begin at the start, as a client must.
                if (after is null) throw client.Failed($"the archive refused: {answer}");
                ledger.Fault($"the archive does not know {after}, an id that was shown: {answer}");
                after = null;
                found.Clear();
                continue;
            }
            foreach (var result in results)
            {
                after = result!["id"];
                var message = result.Child("forwarded", Ns.Forward)?.Child("message", Ns.Client);
                if (message is not null && ledger.Read(message, "") is { } seen) found.Add(seen with { StanzaId = after });
            }
            if (results.Count == 0 || answer.Child("fin", Ns.Mam)?["complete"] is "true" or "1") return found;
        }
    }
}
