namespace Indaba.Kill;

/// <summary>Shows before each verdict that the checker can fail: one made-up ledger for each fault, which must be found and be the only one found.</summary>
internal static class CheckerProof
{
    /// <summary>Throws when the checker overlooks a fault or sees one where there is none.</summary>
    public static void Require()
    {
        Expect([], _ => { });
        Expect(["never acknowledged"], l => l.Next());
        Expect(["lost: acknowledged, neither shown nor archived", "acknowledged, not shown to a device", "acknowledged, not in the receiver's archive"], l =>
        {
            l.ReceiverArchive = [.. l.ReceiverArchive.Take(2)];
        }, shown: 2, elsewhere: 2);
        Expect(["acknowledged, not shown to a device"], _ => { }, shown: 2);
        Expect(["acknowledged, not shown to a device"], _ => { }, elsewhere: 2);
        Expect(["acknowledged, not in the receiver's archive", "shown with an id that the archive does not have"], l => l.ReceiverArchive = [.. l.ReceiverArchive.Take(2)]);
        Expect(["acknowledged, not in the sender's archive"], l => l.SenderArchive = [.. l.SenderArchive.Skip(1)]);
        Expect(["stored twice by the receiver"], l => l.ReceiverArchive = [.. l.ReceiverArchive, l.ReceiverArchive[0] with { StanzaId = "other" }]);
        Expect(["stored twice by the sender"], l => l.SenderArchive = [.. l.SenderArchive, l.SenderArchive[0]]);
        Expect(["shown twice", "shown with an id that the archive does not have"], l => l.Receive(l.Screens[0], new Sighting(1, "o1", "other")));
        Expect(["out of order in the receiver's archive"], l => l.ReceiverArchive = [.. l.ReceiverArchive.Reverse()]);
        Expect(["out of order in the sender's archive"], l => l.SenderArchive = [.. l.SenderArchive.Reverse()]);
        Expect(["shown out of order"], _ => { }, reversed: true);
        Expect(["delivered again after the device's ack"], l => l.Screens[0].Repeated = 1);
        Expect(["bounced"], l => l.Bounced = 1);
        Expect(["protocol faults"], l => l.Fault("h too high"));
    }

    private static void Expect(string[] names, Action<Ledger> fault, int shown = 3, int elsewhere = 3, bool reversed = false)
    {
        var ledger = new Ledger(0, new Screen("phone", isSteady: true), new Screen("desk", isSteady: true));
        Sighting[] all = [.. Enumerable.Range(1, 3).Select(n => new Sighting(n, $"o{n}", $"s{n}"))];
        foreach (var s in all) ledger.Ack(ledger.Next());
        foreach (var s in (reversed ? all.Reverse() : all).Take(shown)) ledger.Receive(ledger.Screens[0], s);
        foreach (var s in all.Take(elsewhere)) ledger.Receive(ledger.Screens[1], s);
        ledger.ReceiverArchive = ledger.SenderArchive = all;
        fault(ledger);
        var found = Checker.Judge([ledger]).Where(f => f.Count > 0).Select(f => f.Name);
        if (!found.ToHashSet().SetEquals(names)) throw new InvalidOperationException($"the checker found [{string.Join("; ", found)}], but the faults are [{string.Join("; ", names)}]");
    }
}
