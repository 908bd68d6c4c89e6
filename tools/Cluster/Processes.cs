using System.Runtime.InteropServices;

namespace Indaba.Cluster;

/// <summary>Processes that are not this program's own children, by <c>/proc</c>.</summary>
internal static partial class Processes
{
    /// <summary>The command line of a process, or null when it does not run.</summary>
    public static string? CommandLine(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/cmdline").Replace('\0', ' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>SIGTERM.</summary>
    public static void Terminate(int id) => _ = SendSignal(id, 15);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int pid, int signal);
}
