using Indaba.Server.Storage;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Accounts;

/// <summary>
/// One contact in memory. A null name means that the user never made an item of it: it only notes a subscription request
/// that waits for an answer, and no client sees it in the roster (RFC 6121 section 3.1.3). The database keeps it the same way.
/// </summary>
internal sealed record RosterContact(Jid Jid, string? Name, Subscription Subscription, bool Ask, byte[]? PendingIn, bool Approved, IReadOnlyList<string> Groups)
{
    /// <summary>True when clients see it.</summary>
    public bool IsListed => Name is not null;

    /// <summary>Where the subscriptions stand.</summary>
    public SubscriptionState State => new(Subscription, Ask, PendingIn is not null, Approved);

    /// <summary>The contact gets the user's presence.</summary>
    public bool HasFrom => (Subscription & Subscription.From) != 0;

    /// <summary>The user gets the contact's presence.</summary>
    public bool HasTo => (Subscription & Subscription.To) != 0;

    /// <summary>As stored; null when the stored address is none (it was valid when it was written).</summary>
    public static RosterContact? Of(RosterItem row) => Jid.TryParse(row.Jid, out var jid)
        ? new RosterContact(jid, row.Name, row.Subscription, row.Ask, row.PendingIn, row.Approved, row.Groups.Count == 0 ? [] : row.Groups)
        : null;

    /// <summary>The same contact in little memory: strings that others have too are shared by <paramref name="pool"/>.</summary>
    public RosterContact Compact(string domain, HashSet<string> pool) => this with
    {
        Jid = Jid.Compact(domain),
        Groups = Groups.Count == 0 ? [] : Groups.Select(g => Shared(g, pool)).ToArray(),
    };

    private static string Shared(string text, HashSet<string> pool)
    {
        if (pool.TryGetValue(text, out var known)) return known;
        pool.Add(text);
        return text;
    }

    /// <summary>To be stored.</summary>
    public RosterItem ToRow() => new(Jid.ToString(), Name, Subscription, Ask, PendingIn, Approved, Groups);

    /// <summary>
    /// The contact in another subscription state. A request that waits keeps its stanza; anything but a waiting request makes
    /// a listed item of it.
    /// </summary>
    public RosterContact In(SubscriptionState state, byte[]? request)
    {
        var listed = state.Subscription != Subscription.None || state.Ask || state.Approved;
        return this with
        {
            Name = Name ?? (listed ? "" : null),
            Subscription = state.Subscription,
            Ask = state.Ask,
            Approved = state.Approved,
            PendingIn = state.PendingIn ? PendingIn ?? request : null,
        };
    }

    /// <summary>True when clients see no difference: only a difference is pushed.</summary>
    public bool LooksLike(RosterContact? other) => other is null ? !IsListed :
        Name == other.Name && Subscription == other.Subscription && Ask == other.Ask && Approved == other.Approved && Groups.SequenceEqual(other.Groups);

    /// <summary>The <c>item</c> element (RFC 6121 section 2.1.2).</summary>
    public Element ToElement()
    {
        var item = new Element("item", Ns.Roster).With("jid", Jid.ToString());
        if (!string.IsNullOrEmpty(Name)) item.With("name", Name);
        item.With("subscription", Subscription switch
        {
            Subscription.To => "to",
            Subscription.From => "from",
            Subscription.Both => "both",
            _ => "none",
        });
        if (Ask) item.With("ask", "subscribe");
        if (Approved) item.With("approved", "true");
        foreach (var group in Groups) item.Add("group", Ns.Roster, group);
        return item;
    }

    /// <summary>The <c>item</c> of a contact that is gone (RFC 6121 section 2.5).</summary>
    public static Element Removed(string jid) => new Element("item", Ns.Roster).With("jid", jid).With("subscription", "remove");
}
