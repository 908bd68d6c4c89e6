using System.Diagnostics;
using System.Security.Cryptography;
using Indaba.Kill;
using Indaba.Server.Tests.Wire;

// Kills the server again and again under load and proves that nothing acknowledged is lost, doubled or reordered.
// Exit code: 0 all checks hold, 1 some do not, 2 the run itself failed.
try
{
    return await Run(KillOptions.Parse(args));
}
catch (FormatException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

static async Task<int> Run(KillOptions options)
{
    var ledgers = Enumerable.Range(0, options.Pairs).Select(i => new Ledger(i, new Screen("device", isSteady: i % 3 != 0))).ToArray();
    await using TestServer server = options.Server switch
    {
        "indaba" => await ServerProcess.StartNew(options.ServerArguments),
        "prosody" => await ProsodyProcess.StartNew(options.ServerArguments),
        _ => throw new FormatException($"unknown server {options.Server}"),
    };
    await server.AddAccounts([.. ledgers.SelectMany(l => new[] { l.Sender, l.Receiver })]);

    var interval = options.Rate > 0 ? TimeSpan.FromSeconds(options.Pairs / options.Rate) : (TimeSpan?)null;
    var refusals = new Refusals();
    var senders = ledgers.Select((l, i) => new Sender(server, l, new Pace(options.Window, interval, options.LazySenders > 0 && i % options.LazySenders == 0 ? 5 : 1), new Habits { Return = i % 2 == 0 ? Return.Resumes : Return.LogsIn }, refusals)).ToArray();
    var receivers = ledgers.Select((l, i) => new Receiver(server, l, l.Screens[0], new Habits { Return = i % 2 == 1 ? Return.Resumes : Return.LogsIn, ReadsArchive = i % 4 == 0, ComesAndGoes = i % 3 == 0 }, refusals)).ToArray();
    using var stop = new CancellationTokenSource();
    var running = senders.Select(s => s.Run(stop.Token)).Concat(receivers.Select(r => r.Run(stop.Token))).ToArray();

    await KillAgainAndAgain(server, ledgers, options);
    foreach (var r in receivers) r.Stay();
    foreach (var s in senders) s.Finish();
    var settled = await Settled(ledgers, TimeSpan.FromSeconds(options.Settle));
    await stop.CancelAsync();
    await Task.WhenAll(running);
    Console.WriteLine(settled);

    foreach (var receiver in receivers) await receiver.CountRepeated();
    foreach (var ledger in ledgers)
    {
        ledger.ReceiverArchive = await ReadArchive(server, ledger, ledger.Receiver);
        ledger.SenderArchive = await ReadArchive(server, ledger, ledger.Sender);
    }
    return Report(options, ledgers);
}

static async Task KillAgainAndAgain(TestServer server, Ledger[] ledgers, KillOptions options)
{
    for (var kill = 1; kill <= options.Kills; kill++)
    {
        await Task.Delay(RandomNumberGenerator.GetInt32(options.MinLife, options.MaxLife + 1));
        await server.Kill();
        var watch = Stopwatch.StartNew();
        await server.Start();
        Console.WriteLine($"kill {kill} of {options.Kills}: ready again after {watch.ElapsedMilliseconds} ms; sent {ledgers.Sum(l => l.Sent)}, acked {ledgers.Sum(l => l.AckedCount)}, shown {ledgers.Sum(l => l.Screens[0].Count)}, sent again {ledgers.Sum(l => l.Resent)}");
    }
    await Task.Delay(options.MaxLife);
}

static async Task<string> Settled(Ledger[] ledgers, TimeSpan limit)
{
    var watch = Stopwatch.StartNew();
    using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
    while (watch.Elapsed < limit)
    {
        if (ledgers.All(l => l.IsComplete)) return $"settled after {watch.ElapsedMilliseconds} ms";
        await tick.WaitForNextTickAsync();
    }
    return $"not settled after {limit.TotalSeconds:0} s: {ledgers.Count(l => !l.IsAcked)} senders wait for acks, {ledgers.Count(l => !l.IsComplete)} pairs are incomplete";
}

static async Task<IReadOnlyList<Sighting>> ReadArchive(TestServer server, Ledger ledger, string account)
{
    await using var client = await WireClient.Login(server, account, "checker");
    return await Archive.Read(client, ledger, null);
}

static int Report(KillOptions options, Ledger[] ledgers)
{
    CheckerProof.Require();
    var findings = Checker.Judge(ledgers);
    Console.WriteLine();
    Console.WriteLine($"sent {ledgers.Sum(l => l.Sent)}, sent again {ledgers.Sum(l => l.Resent)}, copies dropped by stanza-id {ledgers.Sum(l => l.Screens[0].Dropped)}");
    Console.WriteLine("| server | acked | lost | stored twice | out of order | shown twice | shown out of order |");
    Console.WriteLine(Checker.TableLine($"{options.Server}, {options.Kills} kills", ledgers));
    Console.WriteLine();
    foreach (var f in findings) Console.WriteLine($"{(f.Count == 0 ? "ok  " : "FAIL")} {f.Name}: {f.Count}{(f.Count > 0 ? $"  ({string.Join("; ", f.Examples)})" : "")}");
    var failed = findings.Count(f => f.Count > 0);
    Console.WriteLine($"{findings.Count - failed} passed, {failed} failed");
    return failed == 0 ? 0 : 1;
}
