using Indaba.Xmpp;

namespace Indaba.Server.Cluster;

/// <summary>
/// One session's presence for accounts that this node does not hold: it goes to every other node once, and each serves
/// those whom it holds. No directory is asked, so a login costs the same however long the roster is.
/// </summary>
/// <param name="From">The session's full JID.</param>
/// <param name="Stanza">Its presence without an address, or null when there is nothing but questions.</param>
/// <param name="Gone">True when it has become unavailable.</param>
/// <param name="To">Who gets it: bare JIDs (all available resources) or full ones.</param>
/// <param name="Probes">Contacts whose presence the session wants to have.</param>
/// <param name="Asks">Contacts whose approval was asked for and has not come: they are asked again if they are there.</param>
internal sealed record PresenceFan(Jid From, byte[]? Stanza, bool Gone, IReadOnlyList<Jid> To, IReadOnlyList<Jid> Probes, IReadOnlyList<Jid> Asks)
{
    /// <summary>True when no other node could do anything with it.</summary>
    public bool IsEmpty => To.Count == 0 && Probes.Count == 0 && Asks.Count == 0;

    /// <summary>As an item of a link.</summary>
    public LinkItem ToItem() => new RawItem(LinkKind.Fanout, w =>
    {
        w.Text(From.ToString());
        w.Number(Gone ? 1UL : 0UL);
        w.Bytes(Stanza);
        foreach (var list in new[] { To, Probes, Asks })
        {
            w.Number((ulong)list.Count);
            foreach (var jid in list) w.Text(jid.ToString());
        }
    });

    /// <summary>Reads what <see cref="ToItem"/> wrote.</summary>
    public static PresenceFan Read(ref LinkReader reader)
    {
        var from = Jid.Parse(reader.Text());
        var gone = reader.Number() != 0;
        var stanza = reader.Bytes();
        var bytes = stanza.Length == 0 ? null : stanza.ToArray();
        return new PresenceFan(from, bytes, gone, ReadList(ref reader), ReadList(ref reader), ReadList(ref reader));
    }

    private static List<Jid> ReadList(ref LinkReader reader)
    {
        var count = (int)reader.Number();
        var list = new List<Jid>(Math.Min(count, 4096));
        for (var i = 0; i < count; i++) list.Add(Jid.Parse(reader.Text()));
        return list;
    }
}
