using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace Indaba.Cluster;

/// <summary>The other side of <see cref="ControlServer"/>: commands to a cluster that runs.</summary>
internal static class Control
{
    /// <summary>The socket of the cluster in a folder.</summary>
    public static string SocketPath(string folder) => Path.Combine(folder, "control.sock");

    /// <summary>The file with the process ids, should the program that runs the cluster have died.</summary>
    public static string ProcessFile(string folder) => Path.Combine(folder, "processes");

    /// <summary>True while a cluster runs in a folder.</summary>
    public static async Task<bool> IsUp(string folder) => await Ask(folder, "ping") is not null;

    /// <summary>Sends a command and prints the answer.</summary>
    public static async Task<int> Tell(string folder, IReadOnlyList<string> words)
    {
        var answer = await Ask(folder, string.Join(' ', words)) ?? throw new ClusterException($"no cluster runs in {folder}");
        var failed = answer.StartsWith("error: ", StringComparison.Ordinal);
        (failed ? Console.Error : Console.Out).Write(failed ? answer["error: ".Length..] : answer);
        return failed ? 1 : 0;
    }

    /// <summary>Stops the cluster; also what is left of one whose program was killed.</summary>
    public static async Task<int> Down(string folder)
    {
        if (await Ask(folder, "down") is { } answer)
        {
            Console.Write(answer);
            return 0;
        }
        if (!File.Exists(ProcessFile(folder))) throw new ClusterException($"no cluster runs in {folder}");
        foreach (var line in await File.ReadAllLinesAsync(ProcessFile(folder)))
        {
            // A process id may belong to somebody else by now: only what has this folder on its command line is ours.
            if (!int.TryParse(line, out var id) || Processes.CommandLine(id)?.Contains(folder, StringComparison.Ordinal) != true) continue;
            Console.WriteLine($"ending process {id}");
            Processes.Terminate(id);
        }
        File.Delete(ProcessFile(folder));
        return 0;
    }

    /// <summary>psql on the database of the cluster.</summary>
    public static async Task<int> Psql(string folder, IReadOnlyList<string> words)
    {
        var where = await Ask(folder, "where") ?? throw new ClusterException($"no cluster runs in {folder}");
        var parts = where.Trim().Split(' ');
        var start = new ProcessStartInfo(Path.Combine(PostgresServer.Binaries ?? throw new ClusterException(PostgresServer.Missing), "psql"), ["-h", parts[0], "-p", parts[1], "-U", PostgresServer.Name, "-d", PostgresServer.Name, .. words]);
        start.Environment["PGPASSWORD"] = await File.ReadAllTextAsync(Path.Combine(folder, "postgres", "password"));
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    private static async Task<string?> Ask(string folder, string command)
    {
        var path = SocketPath(folder);
        if (!File.Exists(path)) return null;
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException)
        {
            return null; // left behind
        }
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(command + "\n"));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
