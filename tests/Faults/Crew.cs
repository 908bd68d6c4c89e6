using System.Diagnostics;
using Indaba.Kill;
using Indaba.Server.Tests.Wire;

namespace Indaba.Faults;

/// <summary>The people who chat while the cluster breaks: pairs of a sender and a receiver, whose devices are of every kind.</summary>
internal sealed class Crew(Target target, FaultOptions options) : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(2);
    private const int Attempts = 10;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Sender> _senders = [];
    private readonly List<Receiver> _receivers = [];
    private readonly List<Task> _running = [];

    /// <summary>What each pair did.</summary>
    public IReadOnlyList<Ledger> Ledgers { get; } = [.. Enumerable.Range(0, options.Pairs).Select(pair => new Ledger(pair, [.. Enumerable.Range(0, options.Devices).Select(device => new Screen(DeviceName(device), !ComesAndGoes(pair, device)))]))];

    /// <summary>The errors that clients were given.</summary>
    public Refusals Refusals { get; } = new();

    /// <summary>Connections that clients gave up because nothing came on them any more.</summary>
    public int GivenUp => _senders.Sum(s => s.GivenUp) + _receivers.Sum(r => r.GivenUp);

    /// <summary>Makes the accounts, logs all devices in, and lets the senders begin.</summary>
    public async Task Start()
    {
        await target.AwaitGreeting();
        await target.AddAccounts([.. Ledgers.SelectMany(l => new[] { l.Sender, l.Receiver })]);
        foreach (var (pair, ledger) in Ledgers.Index())
        {
            foreach (var (device, screen) in ledger.Screens.Index()) _receivers.Add(new Receiver(target, ledger, screen, ReceiverHabits(pair, device), Refusals));
        }
        _running.AddRange(_receivers.Select(r => r.Run(_stop.Token)));
        // A device that is new begins where the account's others are: all must have been there once before the first message.
        await Task.WhenAll(_receivers.Select(r => r.Bound)).WaitAsync(StartLimit);
        var interval = TimeSpan.FromSeconds(options.Pairs / options.Rate);
        foreach (var (pair, ledger) in Ledgers.Index())
            _senders.Add(new Sender(target, ledger, new Pace(options.Window, interval, pair % 5 == 0 ? 5 : 1), Habits(pair, "sender"), Refusals));
        _running.AddRange(_senders.Select(s => s.Run(_stop.Token)));
        await Task.WhenAll(Watch().Select(s => s.Done)).WaitAsync(StartLimit);
    }

    /// <summary>Waits, for each pair, for the first message made from now on that is acknowledged and shown.</summary>
    public IReadOnlyList<Serving> Watch() => [.. Ledgers.Select(l => l.Watch())];

    /// <summary>How far each pair is: the messages made.</summary>
    public int[] Marks() => [.. Ledgers.Select(l => l.Sent)];

    /// <summary>All connections break at the clients' side, should that be noticed nowhere else.</summary>
    public void Cut()
    {
        foreach (var device in _senders.Cast<Device>().Concat(_receivers)) device.Cut();
    }

    /// <summary>No new messages; waits until all that was sent is acknowledged and shown. Says how that went.</summary>
    public async Task<string> Finish()
    {
        foreach (var r in _receivers) r.Stay();
        foreach (var s in _senders) s.Finish();
        var watch = Stopwatch.StartNew();
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        var limit = TimeSpan.FromSeconds(options.Settle);
        while (!Ledgers.All(target.SendsWhatWasMissed ? l => l.IsComplete : l => l.IsAcked) && watch.Elapsed < limit) await tick.WaitForNextTickAsync();
        var settled = watch.Elapsed;
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
        return settled < limit ? $"settled after {settled.TotalSeconds:0.0} s" : $"not settled after {limit.TotalSeconds:0} s: {Ledgers.Count(l => !l.IsAcked)} senders wait for acks, {Ledgers.Count(l => !l.IsComplete)} pairs are incomplete";
    }

    /// <summary>Reads what the archives have, and looks whether anything comes that a device has already.</summary>
    public async Task Examine()
    {
        await target.AwaitWhole();
        await target.AwaitGreeting();
        foreach (var receiver in _receivers)
        {
            if (!target.SendsWhatWasMissed) await Again(receiver.CatchUp);
            await Again(receiver.CountRepeated);
        }
        foreach (var ledger in Ledgers)
        {
            await Again(async () => ledger.ReceiverArchive = await ReadArchive(ledger, ledger.Receiver));
            await Again(async () => ledger.SenderArchive = await ReadArchive(ledger, ledger.Sender));
        }
    }

    /// <summary>A connection may still break when the last fault's traces go: then it is looked again, as every client would.</summary>
    private static async Task Again(Func<Task> look)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await look();
                return;
            }
            catch (Exception e) when (attempt < Attempts && (e is WireException or IOException or System.Net.Sockets.SocketException))
            {
                await Task.Delay(TimeSpan.FromSeconds(1));
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
        _stop.Dispose();
    }

    private async Task<IReadOnlyList<Sighting>> ReadArchive(Ledger ledger, string account)
    {
        await using var client = await WireClient.Login(target, account, "checker", target.Transports[0]);
        return await Archive.Read(client, ledger, null);
    }

    private Habits ReceiverHabits(int pair, int device)
    {
        var habits = Habits(pair + device + 1, DeviceName(device));
        return habits with
        {
            ComesAndGoes = ComesAndGoes(pair, device),
            ReadsArchive = habits.Return == Return.InOneRoundTrip || !target.SendsWhatWasMissed || (pair + device) % 4 == 0,
        };
    }

    private Habits Habits(int n, string name) => new()
    {
        Name = name,
        Return = (n % 3) switch { 0 => Return.Resumes, 1 => Return.LogsIn, _ when target.HasBind2 => Return.InOneRoundTrip, _ => Return.Resumes },
        Transport = target.Transports[n / 3 % target.Transports.Count],
        Silence = TimeSpan.FromSeconds(options.Silence),
        LongestPause = TimeSpan.FromMilliseconds(640),
    };

    private static string DeviceName(int device) => device == 0 ? "phone" : $"desk{device}";

    /// <summary>A receiver's first device stays, so that there is always somebody whose waiting can be measured.</summary>
    private static bool ComesAndGoes(int pair, int device) => device > 0 && pair % 3 == 0;
}
