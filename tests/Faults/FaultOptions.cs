using System.Globalization;

namespace Indaba.Faults;

/// <summary>What a run does.</summary>
internal sealed record FaultOptions
{
    /// <summary>indaba or ejabberd.</summary>
    public string Server { get; init; } = "indaba";
    /// <summary>Nodes behind the balancer.</summary>
    public int Nodes { get; init; } = 3;
    /// <summary>Senders, each with a receiver of its own.</summary>
    public int Pairs { get; init; } = 12;
    /// <summary>Devices of each receiver.</summary>
    public int Devices { get; init; } = 2;
    /// <summary>Messages a second of all senders together.</summary>
    public double Rate { get; init; } = 80;
    /// <summary>Messages a sender has outstanding at most.</summary>
    public int Window { get; init; } = 8;
    /// <summary>How often each fault is made by itself, the next not before all is well again.</summary>
    public int Each { get; init; } = 1;
    /// <summary>Faults picked at random after that, two at a time.</summary>
    public int Mixed { get; init; } = 20;
    /// <summary>Ends the faults after this many seconds, whatever is left; 0 is no limit.</summary>
    public int Seconds { get; init; }
    /// <summary>The faults whose names contain one of these; empty is all.</summary>
    public IReadOnlyList<string> Only { get; init; } = [];
    /// <summary>Seconds for which the database is frozen.</summary>
    public int FreezeDatabase { get; init; } = 60;
    /// <summary>The longest time, in seconds, for which a node is frozen or cut off; the shortest is 5 or a third of it.</summary>
    public int LongestHold { get; init; } = 30;
    /// <summary>Seconds without an answer after which a client gives a connection up.</summary>
    public int Silence { get; init; } = 8;
    /// <summary>Seconds that it may take, once a fault is healed, until all pairs are served, and at the end until all is delivered.</summary>
    public int Settle { get; init; } = 120;
    /// <summary>The order of faults and their lengths; 0 takes another each time.</summary>
    public int Seed { get; init; }
    /// <summary>No network namespaces and no small disk, whoever runs this.</summary>
    public bool Plain { get; init; }
    /// <summary>Shows the faults there are and ends.</summary>
    public bool List { get; init; }
    /// <summary>The folder for data and logs; without one a temporary one, which is removed when all is well.</summary>
    public string? Folder { get; init; }
    /// <summary>The file for the results.</summary>
    public string? Json { get; init; }
    /// <summary>Further arguments for the nodes: what stands after <c>--</c>.</summary>
    public IReadOnlyList<string> ServerArguments { get; init; } = [];

    /// <summary>Reads a command line.</summary>
    /// <exception cref="FormatException">An unknown option or a bad value.</exception>
    public static FaultOptions Parse(IReadOnlyList<string> args)
    {
        var options = new FaultOptions();
        for (var i = 0; i < args.Count; i++)
        {
            if (args[i] == "--") return options with { ServerArguments = [.. args.Skip(i + 1)] };
            var name = args[i];
            string Value() => ++i < args.Count ? args[i] : throw new FormatException($"{name} needs a value");
            options = name switch
            {
                "--plain" => options with { Plain = true },
                "--list" => options with { List = true },
                "--server" => options with { Server = Value() },
                "--nodes" => options with { Nodes = Number(Value(), 1) },
                "--pairs" => options with { Pairs = Number(Value(), 1) },
                "--devices" => options with { Devices = Number(Value(), 1) },
                "--rate" => options with { Rate = Number(Value(), 1) },
                "--window" => options with { Window = Number(Value(), 5) },
                "--each" => options with { Each = Number(Value(), 0) },
                "--mixed" => options with { Mixed = Number(Value(), 0) },
                "--seconds" => options with { Seconds = Number(Value(), 0) },
                "--only" => options with { Only = [.. Value().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)] },
                "--freeze-database" => options with { FreezeDatabase = Number(Value(), 1) },
                "--longest-hold" => options with { LongestHold = Number(Value(), 1) },
                "--silence" => options with { Silence = Number(Value(), 1) },
                "--settle" => options with { Settle = Number(Value(), 1) },
                "--seed" => options with { Seed = Number(Value(), 0) },
                "--folder" => options with { Folder = Value() },
                "--json" => options with { Json = Path.GetFullPath(Value()) },
                _ => throw new FormatException($"unknown option {name}"),
            };
        }
        return options;
    }

    private static int Number(string text, int least) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= least ? n : throw new FormatException($"{text}: a number of at least {least} is expected");
}
