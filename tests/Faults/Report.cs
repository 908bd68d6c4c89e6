using System.Text.Json;
using Indaba.Kill;

namespace Indaba.Faults;

/// <summary>What came out: for people, and for programs.</summary>
internal sealed class Report(string name, FaultOptions options, int seed, Crew crew, Campaign campaign, string settled)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>The verdict: the checks of the kill test, and what only a cluster can get wrong.</summary>
    public IReadOnlyList<Finding> Findings { get; } =
    [
        .. Checker.Judge(crew.Ledgers),
        new Finding("errors given to clients, other than to reconnect", crew.Refusals.Wrong.Values.Sum(), [.. crew.Refusals.Wrong.OrderByDescending(w => w.Value).Select(w => $"{w.Key}: {w.Value}").Take(5)]),
        new Finding($"pairs not served within {options.Settle} s", campaign.Outcomes.Sum(o => o.Unserved), [.. campaign.Outcomes.Where(o => o.Unserved > 0).Select(o => o.Fault.Name).Take(5)]),
    ];

    /// <summary>Prints it; the last line says how many checks passed. Returns the exit code.</summary>
    public int Print()
    {
        Console.WriteLine(settled);
        Console.WriteLine();
        Console.WriteLine($"{name}, {campaign.Outcomes.Count} faults, seed {seed}: sent {crew.Ledgers.Sum(l => l.Sent)}, acked {crew.Ledgers.Sum(l => l.AckedCount)}, sent again {crew.Ledgers.Sum(l => l.Resent)}, copies dropped by stanza-id {crew.Ledgers.Sum(l => l.Screens.Sum(s => s.Dropped))}, connections given up {crew.GivenUp}");
        Console.WriteLine();
        Console.WriteLine("| fault | count | acked meanwhile | lost | doubled | out of order | served again: median | worst | longest delay of a message |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        foreach (var row in Rows()) Console.WriteLine($"| {row.Fault}{(row.From == From.Healing ? " ¹" : "")}{(row.IsMixed ? ", mixed" : "")} | {row.Count} | {row.Acked:N0} | {row.Lost} | {row.Doubled} | {row.OutOfOrder} | {row.MedianSeconds:0.00} s | {row.WorstSeconds:0.00} s | {row.LongestDelaySeconds:0.0} s |");
        Console.WriteLine("¹ from the end of the fault, since nobody can be served before; else from its beginning");
        Console.WriteLine();
        foreach (var (what, count) in crew.Refusals.Seen.OrderByDescending(s => s.Value)) Console.WriteLine($"given to clients: {what}: {count}");
        foreach (var f in Findings) Console.WriteLine($"{(f.Count == 0 ? "ok  " : "FAIL")} {f.Name}: {f.Count}{(f.Count > 0 ? $"  ({string.Join("; ", f.Examples)})" : "")}");
        var failed = Findings.Count(f => f.Count > 0);
        Console.WriteLine($"{Findings.Count - failed} passed, {failed} failed");
        return failed == 0 ? 0 : 1;
    }

    /// <summary>Writes it as JSON.</summary>
    public Task Write(string file) => File.WriteAllTextAsync(file, JsonSerializer.Serialize(new
    {
        server = name,
        faults = campaign.Outcomes.Count,
        seed,
        sent = crew.Ledgers.Sum(l => l.Sent),
        acked = crew.Ledgers.Sum(l => l.AckedCount),
        settled,
        rows = Rows().Select(r => new { r.Fault, r.IsMixed, from = r.From.ToString(), r.Count, r.Acked, r.Lost, r.Doubled, r.OutOfOrder, r.MedianSeconds, r.WorstSeconds, r.LongestDelaySeconds }),
        each = campaign.Outcomes.Select(o => new { fault = o.Fault.Name, o.IsMixed, o.Where, heldSeconds = o.Held.TotalSeconds, served = o.Served.Select(s => s?.TotalSeconds) }),
        findings = Findings,
        givenToClients = crew.Refusals.Seen,
    }, Indented));

    private IEnumerable<Row> Rows()
    {
        var bad = crew.Ledgers.Select(l => new Bad([.. Checker.LostOf(l)], [.. Checker.DoubledOf(l)], [.. Checker.DisorderedOf(l)], l.Acked)).ToList();
        // What went wrong with a message is put down to the first fault that ended after it was made.
        var outcomes = campaign.Outcomes;
        return outcomes.GroupBy(o => (o.IsMixed, o.Fault.Name)).OrderBy(g => g.Key.IsMixed).Select(group =>
        {
            int Count(Func<Bad, IEnumerable<int>> which) => bad.Index().Sum(b => which(b.Item).Count(n => outcomes.FirstOrDefault(o => n <= o.End[b.Index]) is { } o && group.Contains(o)));
            var times = group.SelectMany(o => o.Served).OfType<TimeSpan>().ToList();
            return new Row(group.Key.Name, group.Key.IsMixed, group.First().Fault.From, group.Count(), Count(b => b.Acked), Count(b => b.Lost), Count(b => b.Doubled), Count(b => b.Disordered),
                Outcome.Quantile(times, 0.5).TotalSeconds, Outcome.Quantile(times, 1).TotalSeconds, group.Max(o => crew.Ledgers.Index().Max(l => l.Item.LongestDelay(o.Begin[l.Index], o.End[l.Index]))).TotalSeconds);
        });
    }

    private sealed record Bad(List<int> Lost, List<int> Doubled, List<int> Disordered, IReadOnlySet<int> Acked);

    private sealed record Row(string Fault, bool IsMixed, From From, int Count, int Acked, int Lost, int Doubled, int OutOfOrder, double MedianSeconds, double WorstSeconds, double LongestDelaySeconds);
}
