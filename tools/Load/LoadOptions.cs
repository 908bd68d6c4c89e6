using System.Globalization;
using Indaba.Server.Tests.Wire;

namespace Indaba.Load;

/// <summary>What a run does.</summary>
internal sealed record LoadOptions
{
    /// <summary>How to call it.</summary>
    public const string Usage = """
        Load chat  [--pairs 100] [--window 1] [--seconds 10] [--warmup 3] [--rate 0] [--ask each|window] [--size 50]
        Load idle  [--sessions 1000] [--settle 10]
        Load login [--count 1000] [--at-once 32] [--mechanism SCRAM-SHA-1]
        Load storm [--sessions 1000] [--at-once 32] [--seconds 10]
          --nodes N [--cross 50]    N nodes on one PostgreSQL; so many of 100 pairs have their two ends at different nodes
          --server indaba|prosody   what to start and measure
          --transport plain|tls|starttls  how clients connect
          -- ARGUMENTS              for the server
        """;

    /// <summary>chat, idle, login or storm.</summary>
    public string Command { get; init; } = "";
    /// <summary>Senders, each with a receiver of its own.</summary>
    public int Pairs { get; init; } = 100;
    /// <summary>Messages that a sender has outstanding.</summary>
    public int Window { get; init; } = 1;
    /// <summary>Seconds that are measured.</summary>
    public int Seconds { get; init; } = 10;
    /// <summary>Seconds before that.</summary>
    public int Warmup { get; init; } = 3;
    /// <summary>Messages a second of all senders together; 0 is as many as the window lets through.</summary>
    public double Rate { get; init; }
    /// <summary>True to ask for an ack with each message, false once for a window.</summary>
    public bool AskEach { get; init; } = true;
    /// <summary>Bytes of a message's text.</summary>
    public int Size { get; init; } = 50;
    /// <summary>Sessions that do nothing.</summary>
    public int Sessions { get; init; } = 1_000;
    /// <summary>Seconds between the last login and the second measurement of memory.</summary>
    public int Settle { get; init; } = 10;
    /// <summary>Logins.</summary>
    public int Count { get; init; } = 1_000;
    /// <summary>Logins under way at once.</summary>
    public int AtOnce { get; init; } = 32;
    /// <summary>Nodes on one PostgreSQL; 0 is one server by itself, with its embedded database.</summary>
    public int Nodes { get; init; }
    /// <summary>Of a hundred pairs, those whose two ends are at different nodes.</summary>
    public int Cross { get; init; }
    /// <summary>How logins authenticate.</summary>
    public string Mechanism { get; init; } = "SCRAM-SHA-1";
    /// <summary>The server.</summary>
    public string Server { get; init; } = "indaba";
    /// <summary>The transport.</summary>
    public Transport Transport { get; init; }
    /// <summary>Further arguments for the server.</summary>
    public IReadOnlyList<string> ServerArguments { get; init; } = [];

    /// <summary>Reads a command line.</summary>
    /// <exception cref="FormatException">An unknown option or a bad value.</exception>
    public static LoadOptions Parse(IReadOnlyList<string> args)
    {
        if (args is not ["chat" or "idle" or "login" or "storm", ..]) throw new FormatException(Usage);
        var options = new LoadOptions { Command = args[0] };
        for (var i = 1; i < args.Count; i += 2)
        {
            if (args[i] == "--") return options with { ServerArguments = [.. args.Skip(i + 1)] };
            if (i + 1 == args.Count) throw new FormatException($"{args[i]} needs a value");
            options = options.With(args[i], args[i + 1]);
        }
        return options;
    }

    private LoadOptions With(string option, string value) => option switch
    {
        "--nodes" => this with { Nodes = Number(value) },
        "--cross" => this with { Cross = Number(value, 0) },
        "--pairs" => this with { Pairs = Number(value) },
        "--window" => this with { Window = Number(value) },
        "--seconds" => this with { Seconds = Number(value) },
        "--warmup" => this with { Warmup = Number(value, 0) },
        "--rate" => this with { Rate = Number(value, 0) },
        "--ask" => this with { AskEach = value switch { "each" => true, "window" => false, _ => throw new FormatException("--ask each or --ask window") } },
        "--size" => this with { Size = Number(value) },
        "--sessions" => this with { Sessions = Number(value) },
        "--settle" => this with { Settle = Number(value, 0) },
        "--count" => this with { Count = Number(value) },
        "--at-once" => this with { AtOnce = Number(value) },
        "--mechanism" => this with { Mechanism = value },
        "--server" => this with { Server = value },
        "--transport" => this with { Transport = value switch { "plain" => Transport.Plain, "tls" => Transport.DirectTls, "starttls" => Transport.StartTls, _ => throw new FormatException("--transport plain, tls or starttls") } },
        _ => throw new FormatException($"unknown option {option}\n{Usage}"),
    };

    private static int Number(string text, int least = 1) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= least ? n : throw new FormatException($"{text}: a number of at least {least} is expected");
}
