using System.Globalization;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Stanzas;

/// <summary>What a client asks of a large result (XEP-0059): which page, and how much of it.</summary>
/// <param name="Max">The largest page, or null when it was not said; 0 asks for the count only (section 2.7).</param>
/// <param name="After">The last item of the page before the wanted one, or null.</param>
/// <param name="Before">The first item of the page after the wanted one; empty for the last page (section 2.5); null when paging forwards.</param>
/// <param name="Index">The number of the first item wanted (section 2.6), or null.</param>
public sealed record ResultSet(int? Max, string? After, string? Before, int? Index)
{
    /// <summary>Nothing was asked: the first page.</summary>
    public static readonly ResultSet None = new(null, null, null, null);

    /// <summary>True when the page is counted from the end: with <c>before</c>.</summary>
    public bool Backwards => Before is not null;

    /// <summary>Reads the <c>set</c> among the children of a payload; <see cref="None"/> without one.</summary>
    /// <exception cref="StanzaException">bad-request: a number is none.</exception>
    public static ResultSet Of(Element payload)
    {
        if (payload.Child("set", Ns.Rsm) is not { } set) return None;
        var after = set.ChildText("after", Ns.Rsm);
        if (after is { Length: 0 }) after = null; // as no after at all: before the first (section 2.2)
        return new ResultSet(Number(set, "max"), after, set.ChildText("before", Ns.Rsm), Number(set, "index"));
    }

    /// <summary>The <c>set</c> of an answer. First and last are null for an empty page; index and count where they are known.</summary>
    public static Element Answer(string? first, string? last, long? index, long? count)
    {
        var set = new Element("set", Ns.Rsm);
        if (first is not null)
        {
            set.Add(new Element("first", Ns.Rsm).With("index", index?.ToString(CultureInfo.InvariantCulture)).AddText(first));
            set.Add("last", Ns.Rsm, last);
        }
        if (count is not null) set.Add("count", Ns.Rsm, count.Value.ToString(CultureInfo.InvariantCulture));
        return set;
    }

    private static int? Number(Element set, string name)
    {
        var text = set.ChildText(name, Ns.Rsm)?.Trim();
        if (text is null) return null;
        if (text.Length is 0 or > 18 || !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            throw new StanzaException(StanzaCondition.BadRequest, $"{name} is no number");
        return (int)Math.Min(number, int.MaxValue);
    }
}
