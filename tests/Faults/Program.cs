using System.Runtime.InteropServices;
using Indaba.Cluster;
using Indaba.Faults;
using Indaba.Kill;

// Breaks a cluster again and again under load and proves that nothing acknowledged is lost, doubled or reordered.
// Exit code: 0 all checks hold, 1 some do not, 2 the run itself failed.
try
{
    // A connection to a node that hangs is given up after this many seconds, also in the middle of a login.
    Environment.SetEnvironmentVariable("XMPP_TEST_LIMIT", Environment.GetEnvironmentVariable("XMPP_TEST_LIMIT") ?? "10");
    return await Run(args, FaultOptions.Parse(args));
}
catch (Exception e) when (e is FormatException or ClusterException or InvalidOperationException)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
catch (Exception e)
{
    Console.Error.WriteLine(e); // and no crash: what was started is ended with the program
    return 2;
}

static async Task<int> Run(string[] args, FaultOptions options)
{
    if (options.List)
    {
        foreach (var fault in Catalogue.All(options)) Console.WriteLine($"{fault.Name}{(fault.NeedsNetworks || fault.NeedsDisk ? "  (needs root)" : "")}");
        return 0;
    }
    if (options.Server == "ejabberd") options = options with { Nodes = 1 };
    var networks = !options.Plain && options.Server == "indaba" && Networks.Lacking() is null;
    if (networks && !Networks.IsInside) return await Networks.Enter(args);
    if (!options.Plain && options.Server == "indaba" && Networks.Lacking() is { } lacking) Console.WriteLine($"skipped: {lacking}, and a small disk to fill up too");
    var faults = Catalogue.For(options, networks);
    if (faults.Count == 0) throw new FormatException("no fault has such a name: --list shows them");
    CheckerProof.Require();

    var folder = Path.GetFullPath(options.Folder ?? Path.Combine(Path.GetTempPath(), $"faults-{Environment.ProcessId}"));
    Directory.CreateDirectory(folder);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Environment.Exit(2)); // which ends all processes
    if (networks) await Networks.Make();
    var disk = networks && faults.Any(f => f.NeedsDisk) ? await SmallDisk.Mount(folder) : null;
    int code;
    await using (var target = await Start(options, folder, networks, disk))
    {
        code = await Break(target, options, faults);
    }
    if (disk is not null) await disk.DisposeAsync();
    if (code != 0 || options.Folder is not null) Console.Error.WriteLine($"logs and data: {folder}");
    else Directory.Delete(folder, recursive: true);
    return code;
}

static async Task<Target> Start(FaultOptions options, string folder, bool networks, SmallDisk? disk) => options.Server switch
{
    "indaba" => await IndabaTarget.Start(options, folder, networks, disk),
    "ejabberd" => await EjabberdTarget.Start(folder),
    _ => throw new FormatException($"unknown server {options.Server}"),
};

static async Task<int> Break(Target target, FaultOptions options, IReadOnlyList<Fault> faults)
{
    var seed = options.Seed != 0 ? options.Seed : Random.Shared.Next(1, int.MaxValue);
    await using var crew = new Crew(target, options);
    await crew.Start();
    var campaign = new Campaign(target, crew, options, faults, seed);
    Console.WriteLine($"{target.Name}: {options.Pairs} pairs, {options.Pairs * options.Devices} receiving devices, {options.Rate} messages a second, {campaign.Planned} faults, seed {seed}");
    await campaign.Run();
    var settled = await crew.Finish();
    await crew.Examine();
    var report = new Report(target.Name, options, seed, crew, campaign, settled);
    if (options.Json is { } file) await report.Write(file);
    return report.Print();
}
