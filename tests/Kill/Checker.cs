namespace Indaba.Kill;

/// <summary>One line of the verdict.</summary>
/// <param name="Name">What is counted.</param>
/// <param name="Count">How often; 0 is right.</param>
/// <param name="Examples">Some of the cases.</param>
internal sealed record Finding(string Name, int Count, IReadOnlyList<string> Examples);

/// <summary>Compares what was acknowledged, shown and archived. It knows nothing of servers, so it can be tried on made-up ledgers.</summary>
internal static class Checker
{
    /// <summary>Judges all pairs together.</summary>
    public static IReadOnlyList<Finding> Judge(IReadOnlyList<Ledger> ledgers) =>
    [
        Count(ledgers, "never acknowledged", l => Enumerable.Range(1, l.Sent).Except(l.Acked).Select(n => $"{n}")),
        Count(ledgers, Lost, l => LostOf(l).Select(n => $"{n}")),
        Devices(ledgers, "acknowledged, not shown to a device", (l, s) => l.Acked.Except(Numbers(s.Shown)).Select(n => $"{n}")),
        Count(ledgers, "acknowledged, not in the receiver's archive", l => l.Acked.Except(Numbers(l.ReceiverArchive)).Select(n => $"{n}")),
        Count(ledgers, "acknowledged, not in the sender's archive", l => l.Acked.Except(Numbers(l.SenderArchive)).Select(n => $"{n}")),
        Count(ledgers, StoredTwice, l => Twice(l.ReceiverArchive)),
        Count(ledgers, "stored twice by the sender", l => Twice(l.SenderArchive)),
        Devices(ledgers, ShownTwice, (_, s) => Twice(s.Shown)),
        Count(ledgers, OutOfOrder, l => Inversions(l.ReceiverArchive)),
        Count(ledgers, "out of order in the sender's archive", l => Inversions(l.SenderArchive)),
        Devices(ledgers, ShownOutOfOrder, (_, s) => Inversions(s.Shown)),
        Devices(ledgers, "shown with an id that the archive does not have", (l, screen) => screen.Shown.Where(s => s.StanzaId is not null).Select(s => s.StanzaId!).Except(l.ReceiverArchive.Select(s => s.StanzaId!))),
        Devices(ledgers, "shown without a stanza-id", (_, screen) => screen.Shown.Where(s => s.StanzaId is null).Select(s => $"{s.Number}")),
        Devices(ledgers, "delivered again after the device's ack", (_, s) => Enumerable.Repeat("message", s.Repeated)),
        Count(ledgers, "bounced", l => Enumerable.Repeat("error", l.Bounced)),
        Count(ledgers, "protocol faults", l => l.Faults),
    ];

    /// <summary>The names of the findings that a table shows.</summary>
    public const string Lost = "lost: acknowledged, neither shown nor archived", StoredTwice = "stored twice by the receiver", OutOfOrder = "out of order in the receiver's archive", ShownTwice = "shown twice", ShownOutOfOrder = "shown out of order";

    /// <summary>The line of the table of peers.</summary>
    public static string TableLine(string server, IReadOnlyList<Ledger> ledgers)
    {
        var findings = Judge(ledgers).ToDictionary(f => f.Name, f => f.Count);
        return $"| {server} | {ledgers.Sum(l => l.AckedCount):N0} | {findings[Lost]} | {findings[StoredTwice]} | {findings[OutOfOrder]} | {findings[ShownTwice]} | {findings[ShownOutOfOrder]} |";
    }

    /// <summary>The numbers of acknowledged messages that are nowhere: neither shown nor archived.</summary>
    public static IEnumerable<int> LostOf(Ledger ledger) => ledger.Acked.Except(ledger.Screens.SelectMany(s => Numbers(s.Shown))).Except(Numbers(ledger.ReceiverArchive));

    /// <summary>The numbers of messages that were stored or shown twice.</summary>
    public static IEnumerable<int> DoubledOf(Ledger ledger) =>
        Second(ledger.ReceiverArchive).Concat(Second(ledger.SenderArchive)).Concat(ledger.Screens.SelectMany(s => Second(s.Shown)));

    /// <summary>The numbers of messages that were stored or shown after a later one.</summary>
    public static IEnumerable<int> DisorderedOf(Ledger ledger) =>
        Late(ledger.ReceiverArchive).Concat(Late(ledger.SenderArchive)).Concat(ledger.Screens.SelectMany(s => Late(s.Shown))).Select(l => l.Number);

    private static Finding Devices(IReadOnlyList<Ledger> ledgers, string name, Func<Ledger, Screen, IEnumerable<string>> cases) =>
        Count(ledgers, name, l => l.Screens.SelectMany(s => cases(l, s).Select(c => l.Screens.Count == 1 ? c : $"{c} on {s.Name}")));

    private static Finding Count(IReadOnlyList<Ledger> ledgers, string name, Func<Ledger, IEnumerable<string>> cases)
    {
        var count = 0;
        var examples = new List<string>();
        foreach (var ledger in ledgers)
        {
            foreach (var one in cases(ledger))
            {
                count++;
                if (examples.Count < 5) examples.Add($"{ledger.Sender}: {one}");
            }
        }
        return new Finding(name, count, examples);
    }

    private static IEnumerable<int> Numbers(IEnumerable<Sighting> seen) => seen.Select(s => s.Number);

    private static IEnumerable<string> Twice(IEnumerable<Sighting> seen) => Second(seen).Select(n => $"{n}");

    private static IEnumerable<string> Inversions(IEnumerable<Sighting> seen) => Late(seen).Select(l => $"{l.Number} after {l.Highest}");

    private static IEnumerable<int> Second(IEnumerable<Sighting> seen) => seen.GroupBy(s => s.OriginId).SelectMany(g => g.Skip(1)).Select(s => s.Number);

    /// <summary>Messages that stand after one with a higher number. A second copy is counted elsewhere and not here.</summary>
    private static IEnumerable<(int Number, int Highest)> Late(IEnumerable<Sighting> seen)
    {
        var highest = 0;
        var known = new HashSet<int>();
        foreach (var s in seen)
        {
            if (!known.Add(s.Number)) continue;
            if (s.Number < highest) yield return (s.Number, highest);
            highest = Math.Max(highest, s.Number);
        }
    }
}
