using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Indaba.Xmpp.Fuzz;

return args switch
{
    ["--measure"] => RunMeasure(),
    ["--afl", var target] => RunAfl(Targets.All[target]),
    ["--seconds", var seconds] => RunLoop(double.Parse(seconds, CultureInfo.InvariantCulture), Environment.TickCount),
    ["--seconds", var seconds, "--seed", var seed] => RunLoop(double.Parse(seconds, CultureInfo.InvariantCulture), int.Parse(seed, CultureInfo.InvariantCulture)),
    [var target, .. var files] when Targets.All.ContainsKey(target) => RunFiles(Targets.All[target], files),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine($"--seconds N [--seed S] | --measure | --afl TARGET | TARGET [FILE...]   (targets: {string.Join(", ", Targets.All.Keys)}; without a file, standard input)");
    return 2;
}

static int RunMeasure()
{
    Measure.Run();
    return 0;
}

static int RunAfl(Action<byte[]> target)
{
    SharpFuzz.Fuzzer.OutOfProcess.Run(stream => target(ReadAll(stream)));
    return 0;
}

static int RunFiles(Action<byte[]> target, string[] files)
{
    if (files.Length == 0) target(ReadAll(Console.OpenStandardInput()));
    foreach (var file in files) target(File.ReadAllBytes(file));
    return 0;
}

static byte[] ReadAll(Stream stream)
{
    using var all = new MemoryStream();
    stream.CopyTo(all);
    return all.ToArray();
}

// A loop of mutations without coverage: less than AFL finds, enough to catch a slip in continuous integration.
static int RunLoop(double seconds, int seed)
{
    var corpus = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "corpus")).Order(StringComparer.Ordinal).Select(File.ReadAllBytes).ToArray();
    var mutator = new Mutator(corpus, seed);
    var clock = Stopwatch.StartNew();
    var runs = 0L;
    Console.WriteLine($"seed {seed}, {corpus.Length} files");
    foreach (var file in corpus)
    {
        foreach (var (name, target) in Targets.All)
        {
            if (!Try(name, target, file)) return 1;
        }
    }
    for (; clock.Elapsed.TotalSeconds < seconds; runs++)
    {
        var input = mutator.Next();
        foreach (var (name, target) in Targets.All)
        {
            if (!Try(name, target, input)) return 1;
        }
    }
    Console.WriteLine($"{runs} inputs, none broke a promise");
    return 0;
}

static bool Try(string name, Action<byte[]> target, byte[] input)
{
    var start = Stopwatch.GetTimestamp();
    try
    {
        target(input);
        if (Stopwatch.GetElapsedTime(start).TotalSeconds < 10) return true;
        Console.Error.WriteLine($"{name} took {Stopwatch.GetElapsedTime(start)}");
    }
#pragma warning disable CA1031 // whatever it is, it is what we look for
    catch (Exception e)
#pragma warning restore CA1031
    {
        Console.Error.WriteLine($"{name}: {e}");
    }
    Directory.CreateDirectory("artifacts");
    var file = Path.Combine("artifacts", $"{name}-{Convert.ToHexStringLower(SHA256.HashData(input))[..12]}");
    File.WriteAllBytes(file, input);
    Console.Error.WriteLine($"the input is in {file}");
    return false;
}
