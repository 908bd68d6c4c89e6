using System.Diagnostics;
using Indaba.Cluster;

namespace Indaba.Faults;

/// <summary>Makes the faults, one after the other and then two at a time, and measures how long each keeps people waiting.</summary>
internal sealed class Campaign(Target target, Crew crew, FaultOptions options, IReadOnlyList<Fault> faults, int seed)
{
    private const int Lanes = 2;
    private static readonly TimeSpan Spread = TimeSpan.FromSeconds(2);
    private readonly Random _random = new(seed);
    private readonly Lock _lock = new();
    private readonly HashSet<object> _taken = []; // nodes and parts that a fault works on now
    private readonly List<Outcome> _outcomes = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private int _begun;

    /// <summary>What was made.</summary>
    public IReadOnlyList<Outcome> Outcomes { get { lock (_lock) return [.. _outcomes]; } }

    /// <summary>Faults in the plan.</summary>
    public int Planned => faults.Count * options.Each + options.Mixed;

    /// <summary>Runs all of it.</summary>
    public async Task Run()
    {
        for (var round = 0; round < options.Each && !IsOver; round++)
        {
            foreach (var fault in faults)
            {
                if (IsOver) break;
                await Make(fault, Pick(fault)!, isMixed: false);
                await target.AwaitWhole();
            }
        }
        var left = options.Mixed;
        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => Lane()));
        await target.AwaitWhole();

        async Task Lane()
        {
            while (Interlocked.Decrement(ref left) >= 0 && !IsOver)
            {
                await Task.Delay(RandomTime(TimeSpan.Zero, Spread));
                if (PickAny() is var (fault, scene)) await Make(fault, scene, isMixed: true);
            }
        }
    }

    private bool IsOver => options.Seconds > 0 && _clock.Elapsed.TotalSeconds > options.Seconds;

    private async Task Make(Fault fault, Scene scene, bool isMixed)
    {
        var number = Interlocked.Increment(ref _begun);
        var where = fault.Part == Part.Node ? scene.Node.Name : "";
        var begin = crew.Marks();
        var held = RandomTime(fault.Shortest, fault.Longest);
        long since;
        IReadOnlyList<Kill.Serving> watches;
        try
        {
            await fault.Inject(scene);
            if (fault.Part == Part.Clients) crew.Cut();
            (since, watches) = (Stopwatch.GetTimestamp(), crew.Watch());
            await Task.Delay(held);
            if (fault.From == From.Healing) (since, watches) = (Stopwatch.GetTimestamp(), crew.Watch());
            await fault.Heal(scene);
        }
        catch (Exception e) when (e is ClusterException or InvalidOperationException or TimeoutException)
        {
            throw new ClusterException($"fault {number}, {fault.Name} {where}: {e.Message}");
        }
        var served = await Served(watches, since);
        Release(scene, fault);
        var outcome = new Outcome(fault, isMixed, where, held, served, begin, crew.Marks());
        lock (_lock) _outcomes.Add(outcome);
        Console.WriteLine($"fault {number} of {Planned} after {_clock.Elapsed.TotalSeconds:0} s: {fault.Name}{(where.Length > 0 ? $", {where}" : "")}, {held.TotalSeconds:0.0} s{(isMixed ? ", mixed" : "")}: served again after {outcome.Median.TotalSeconds:0.00} s (median), {outcome.Worst.TotalSeconds:0.00} s (worst){(outcome.Unserved > 0 ? $", {outcome.Unserved} PAIRS NOT SERVED" : "")}; acked {crew.Ledgers.Sum(l => l.AckedCount)} of {crew.Ledgers.Sum(l => l.Sent)}");
    }

    private async Task<IReadOnlyList<TimeSpan?>> Served(IReadOnlyList<Kill.Serving> watches, long since)
    {
        var all = Task.WhenAll(watches.Select(w => w.Done));
        await Task.WhenAny(all, Task.Delay(TimeSpan.FromSeconds(options.Settle)));
        return [.. watches.Select(w => w.Done.IsCompletedSuccessfully ? Stopwatch.GetElapsedTime(since, w.Done.Result) : (TimeSpan?)null)];
    }

    /// <summary>A fault at random, of those whose part nobody works on.</summary>
    private (Fault, Scene)? PickAny()
    {
        lock (_lock)
        {
            foreach (var fault in faults.OrderBy(_ => _random.Next()).ToList())
            {
                if (Pick(fault) is { } scene) return (fault, scene);
            }
            return null;
        }
    }

    private Scene? Pick(Fault fault)
    {
        lock (_lock)
        {
            var free = target.Nodes.Where(n => !_taken.Contains(n)).ToList();
            if (fault.Part == Part.Node && free.Count == 0 || fault.Part != Part.Node && _taken.Contains(fault.Part)) return null;
            var node = free.Count == 0 ? target.Nodes[0] : free[_random.Next(free.Count)];
            var others = target.Nodes.Where(n => n != node).ToList();
            var scene = new Scene(target, node, others.Count == 0 ? node : others[_random.Next(others.Count)]);
            _taken.Add(Key(scene, fault));
            return scene;
        }
    }

    private void Release(Scene scene, Fault fault)
    {
        lock (_lock) _taken.Remove(Key(scene, fault));
    }

    private static object Key(Scene scene, Fault fault) => fault.Part == Part.Node ? scene.Node : fault.Part;

    private TimeSpan RandomTime(TimeSpan from, TimeSpan to)
    {
        lock (_lock) return from + (to - from) * _random.NextDouble();
    }
}
