using System.Net;

namespace Indaba.Cluster;

/// <summary>
/// A network namespace for each node, joined by a bridge, so that a cable can be cut: node from database, node from node,
/// node from balancer, in both directions or one. The program that uses this runs in a network and mount namespace of its
/// own (<see cref="Enter"/>), so that nothing of it is seen outside, and all of it goes with its last process.
/// </summary>
internal static class Networks
{
    private const string Bridge = "cluster", Inside = "FAULTS_OWN_NETWORK";

    /// <summary>Where clients are, and whence the balancer goes to the nodes.</summary>
    public static IPAddress Clients { get; } = IPAddress.Parse("10.77.0.1");
    /// <summary>The database's address.</summary>
    public static IPAddress Database { get; } = IPAddress.Parse("10.77.0.2");
    /// <summary>The balancer's address for clients.</summary>
    public static IPAddress Balancer { get; } = IPAddress.Parse("10.77.0.3");

    /// <summary>True in a program that <see cref="Enter"/> has started.</summary>
    public static bool IsInside => Environment.GetEnvironmentVariable(Inside) == "1";

    /// <summary>Why there can be no networks here, or null.</summary>
    public static string? Lacking() =>
        Environment.UserName != "root" ? "network faults need root (network namespaces)"
        : ChildProcess.Find("ip") is null ? "network faults need iproute2: apt-get install iproute2"
        : ChildProcess.Find("iptables") is null ? "network faults need iptables: apt-get install iptables"
        : null;

    /// <summary>Runs this program again with the same arguments in namespaces of its own, and returns its exit code.</summary>
    public static async Task<int> Enter(IReadOnlyList<string> args)
    {
        // Names of namespaces are files below /run/netns, the lock of iptables is one in /run: both get a place of their own.
        const string script = "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$@\"";
        var self = Environment.ProcessPath!;
        string[] command = Path.GetFileNameWithoutExtension(self) == "dotnet" ? [self, Environment.GetCommandLineArgs()[0]] : [self];
        var start = new System.Diagnostics.ProcessStartInfo("unshare", ["--net", "--mount", "sh", "-c", script, "sh", .. command, .. args]);
        start.Environment[Inside] = "1";
        using var process = System.Diagnostics.Process.Start(start)!;
        using var term = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, c =>
        {
            c.Cancel = true;
            Processes.Terminate(process.Id);
        });
        using var interrupt = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGINT, c => c.Cancel = true); // it gets one itself
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    /// <summary>Makes the bridge.</summary>
    public static async Task Make()
    {
        if (!IsInside) throw new InvalidOperationException("networks are made in namespaces of their own");
        await Ip("link add", Bridge, "type bridge");
        foreach (var address in new[] { Clients, Database, Balancer }) await Ip($"addr add {address}/16 dev {Bridge}");
        await Ip("link set", Bridge, "up");
    }

    /// <summary>The address of a node.</summary>
    public static IPAddress NodeAddress(int number) => IPAddress.Parse($"10.77.1.{number}");

    /// <summary>What stands before a command that is to run in a node's network.</summary>
    public static IReadOnlyList<string> Prefix(int number) => ["ip", "netns", "exec", Name(number)];

    /// <summary>Makes the network of a node and joins it to the others.</summary>
    public static async Task Add(int number)
    {
        var name = Name(number);
        await Ip("netns add", name);
        await Ip($"link add {name}b type veth peer name eth0 netns {name}");
        await Ip($"link set {name}b master {Bridge} up");
        await Ip($"-n {name} link set lo up");
        await Ip($"-n {name} addr add {NodeAddress(number)}/16 dev eth0");
        await Ip($"-n {name} link set eth0 up");
    }

    /// <summary>From now on packets between a node and an address vanish: those that come, those that go, or both.</summary>
    public static async Task Cut(int number, IPAddress from, bool incoming = true, bool outgoing = true)
    {
        if (incoming) await Tables(number, "-A", "INPUT", "-s", $"{from}", "-j", "DROP");
        if (outgoing) await Tables(number, "-A", "OUTPUT", "-d", $"{from}", "-j", "DROP");
    }

    /// <summary>Ends all cuts of a node.</summary>
    public static Task Join(int number) => Tables(number, "-F");

    /// <summary>A further address for clients, so that those before can vanish without a word.</summary>
    public static Task AddClientAddress(IPAddress address) => Ip($"addr add {address}/16 dev {Bridge}");

    /// <summary>Nothing comes from and goes to clients with this address any more.</summary>
    public static async Task Silence(IPAddress client)
    {
        await ChildProcess.Run(["iptables", "-w", "-A", "INPUT", "-s", $"{client}", "-j", "DROP"]);
        await ChildProcess.Run(["iptables", "-w", "-A", "INPUT", "-d", $"{client}", "-j", "DROP"]);
    }

    /// <summary>Takes a client address away again, with its silence.</summary>
    public static async Task RemoveClientAddress(IPAddress address)
    {
        await ChildProcess.Run(["iptables", "-w", "-D", "INPUT", "-s", $"{address}", "-j", "DROP"]);
        await ChildProcess.Run(["iptables", "-w", "-D", "INPUT", "-d", $"{address}", "-j", "DROP"]);
        await Ip($"addr del {address}/16 dev {Bridge}");
    }

    private static string Name(int number) => $"node{number}";

    private static Task<string> Tables(int number, params string[] arguments) => ChildProcess.Run([.. Prefix(number), "iptables", "-w", .. arguments]);

    private static Task<string> Ip(params string[] words) => ChildProcess.Run(["ip", .. string.Join(' ', words).Split(' ')]);
}
