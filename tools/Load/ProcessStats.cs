using System.Globalization;

namespace Indaba.Load;

/// <summary>CPU time and memory of processes, and of their descendants where asked for, as /proc tells them.</summary>
internal sealed class ProcessStats(int[] pids, bool descendants = true)
{
    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux of today

    /// <summary>User and system time in microseconds.</summary>
    public double CpuMicros() => Tree().Sum(CpuTicks) / TicksPerSecond * 1e6;

    /// <summary>Proportional and resident set size in KiB.</summary>
    public (long Pss, long Rss) Memory()
    {
        long pss = 0, rss = 0;
        foreach (var p in Tree())
        {
            foreach (var line in ReadLines($"/proc/{p}/smaps_rollup"))
            {
                if (line.StartsWith("Pss:", StringComparison.Ordinal)) pss += KiB(line);
                else if (line.StartsWith("Rss:", StringComparison.Ordinal)) rss += KiB(line);
            }
        }
        return (pss, rss);
    }

    private static long KiB(string line) => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    private static long CpuTicks(int p)
    {
        var stat = Stat(p);
        return stat.Length == 0 ? 0 : long.Parse(stat[11], CultureInfo.InvariantCulture) + long.Parse(stat[12], CultureInfo.InvariantCulture);
    }

    /// <summary>The fields of /proc/PID/stat from the third on: the second, the name, may hold spaces.</summary>
    private static string[] Stat(int p) => ReadLines($"/proc/{p}/stat") is [var line, ..] ? line[(line.LastIndexOf(')') + 2)..].Split(' ') : [];

    private List<int> Tree()
    {
        if (!descendants) return [.. pids];
        var parents = new Dictionary<int, int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var p) && Stat(p) is { Length: > 1 } stat) parents[p] = int.Parse(stat[1], CultureInfo.InvariantCulture);
        }
        var tree = new List<int>(pids);
        for (var i = 0; i < tree.Count; i++) tree.AddRange(parents.Where(p => p.Value == tree[i]).Select(p => p.Key));
        return tree;
    }

    private static string[] ReadLines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return []; // the process has ended
        }
    }
}
