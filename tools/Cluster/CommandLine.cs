using System.Globalization;
using System.Net;

namespace Indaba.Cluster;

/// <summary>What was asked for.</summary>
internal sealed record CommandLine
{
    private static readonly string[] Commands = ["help", "up", "down", "status", "kill", "freeze", "thaw", "restart", "add", "drain", "remove", "psql", "database"];

    public string Command { get; init; } = "help";
    /// <summary>What stands behind the command.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];
    /// <summary>Where the cluster keeps everything. Default: <c>data/cluster</c> of the working directory.</summary>
    public string Folder { get; init; } = Path.Combine("data", "cluster");
    public bool Detach { get; init; }
    /// <summary>Nodes at the start.</summary>
    public int Nodes { get; init; } = 3;
    /// <summary>The balancer's address for clients.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;
    /// <summary>Added to the ports of the balancer, should they be taken.</summary>
    public int PortOffset { get; init; }
    /// <summary>The first port of database and nodes.</summary>
    public int BasePort { get; init; } = 16000;
    /// <summary>What stands after <c>--</c>: for the nodes.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    public const string HelpText = """
        tools/cluster: PostgreSQL, nodes and HAProxy on this machine

          up [N]          starts N nodes (3) in the foreground; Ctrl+C stops all in order
          down            stops all in order
          status          what runs where
          kill N          SIGKILL of node N, which is not started again: restart N does that
          freeze N        SIGSTOP; thaw N is SIGCONT
          restart N       SIGTERM and start again
          add             one more node
          drain N         node N takes no new connections and sends those it has elsewhere
          remove N        takes node N away in order
          database kill | start | freeze | thaw
          psql [...]      psql on the cluster's database

          --folder DIR    where everything is kept (data/cluster)
          --detach        up: in the background
          --address A     the address clients connect to (127.0.0.1)
          --port-offset N added to 5222, 5223, 5280, 5281 and 8404
          --base-port N   the first port of database and nodes (16000)
          -- ...          up: further arguments for indaba run
        """;

    public static int Help()
    {
        Console.WriteLine(HelpText);
        return 0;
    }

    /// <exception cref="FormatException">It cannot be understood.</exception>
    public static CommandLine Parse(IReadOnlyList<string> args)
    {
        if (args.Count == 0 || args[0] is "--help" or "-h") return new CommandLine();
        if (!Commands.Contains(args[0])) throw new FormatException($"unknown command {args[0]}");
        var line = new CommandLine { Command = args[0] };
        var words = new List<string>();
        for (var i = 1; i < args.Count; i++)
        {
            if (line.Command == "psql" && args[i] != "--folder")
            {
                words.Add(args[i]);
                continue;
            }
            if (args[i] == "--")
            {
                line = line with { Arguments = [.. args.Skip(i + 1)] };
                break;
            }
            string Value() => ++i < args.Count ? args[i] : throw new FormatException($"{args[i - 1]} needs a value");
            switch (args[i])
            {
                case "--detach": line = line with { Detach = true }; break;
                case "--folder": line = line with { Folder = Value() }; break;
                case "--address": line = line with { Address = IPAddress.TryParse(Value(), out var a) ? a : throw new FormatException($"{args[i]} is no address") }; break;
                case "--port-offset": line = line with { PortOffset = Number(Value()) }; break;
                case "--base-port": line = line with { BasePort = Number(Value()) }; break;
                default: words.Add(args[i].StartsWith("--", StringComparison.Ordinal) ? throw new FormatException($"unknown option {args[i]}") : args[i]); break;
            }
        }
        if (line.Command == "up" && words.Count > 0) line = line with { Nodes = Number(words[0]) };
        return line with { Words = words, Folder = Path.GetFullPath(line.Folder) };
    }

    /// <summary>The layout that was asked for.</summary>
    public ClusterOptions Options() => new()
    {
        Folder = Folder,
        Server = ClusterOptions.BuiltServer(),
        Nodes = Nodes,
        BasePort = BasePort,
        Balancer = new BalancerPlace(Address, 5222 + PortOffset, 5223 + PortOffset, 5280 + PortOffset, 5281 + PortOffset, 8404 + PortOffset),
        Arguments = Arguments,
    };

    private static int Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : throw new FormatException($"{text} is no number");
}
