using System.Globalization;

namespace Indaba.Kill;

/// <summary>What a run does.</summary>
internal sealed record KillOptions
{
    /// <summary>How often the server is killed.</summary>
    public int Kills { get; init; } = 20;
    /// <summary>Senders, each with a receiver of its own.</summary>
    public int Pairs { get; init; } = 20;
    /// <summary>Messages a second of all senders together; 0 is as fast as the window allows.</summary>
    public double Rate { get; init; } = 160;
    /// <summary>Messages a sender has outstanding at most. At least 5, since some senders ask for an ack only then.</summary>
    public int Window { get; init; } = 8;
    /// <summary>The server lives at least this long between two kills, in milliseconds.</summary>
    public int MinLife { get; init; } = 200;
    /// <summary>The server lives at most this long between two kills, in milliseconds.</summary>
    public int MaxLife { get; init; } = 2_500;
    /// <summary>Seconds that the end may take: everything acked, everybody caught up.</summary>
    public int Settle { get; init; } = 30;
    /// <summary>Every n-th sender asks for an ack only after five messages; 0 is none, 1 all.</summary>
    public int LazySenders { get; init; } = 5;
    /// <summary>indaba or prosody.</summary>
    public string Server { get; init; } = "indaba";
    /// <summary>Further arguments for the server: what stands after <c>--</c>.</summary>
    public IReadOnlyList<string> ServerArguments { get; init; } = [];

    /// <summary>Reads a command line.</summary>
    /// <exception cref="FormatException">An unknown option or a bad value.</exception>
    public static KillOptions Parse(IReadOnlyList<string> args)
    {
        var options = new KillOptions();
        for (var i = 0; i < args.Count; i++)
        {
            if (args[i] == "--") return options with { ServerArguments = [.. args.Skip(i + 1)] };
            if (i + 1 == args.Count) throw new FormatException($"{args[i]} needs a value");
            var value = args[i + 1];
            options = args[i++] switch
            {
                "--kills" => options with { Kills = Number(value, 0) },
                "--pairs" => options with { Pairs = Number(value, 1) },
                "--rate" => options with { Rate = Number(value, 0) },
                "--window" => options with { Window = Number(value, 5) },
                "--min-life" => options with { MinLife = Number(value, 0) },
                "--max-life" => options with { MaxLife = Number(value, 1) },
                "--settle" => options with { Settle = Number(value, 1) },
                "--lazy" => options with { LazySenders = Number(value, 0) },
                "--server" => options with { Server = value },
                var unknown => throw new FormatException($"unknown option {unknown}"),
            };
        }
        return options;
    }

    private static int Number(string text, int least) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= least ? n : throw new FormatException($"{text}: a number of at least {least} is expected");
}
