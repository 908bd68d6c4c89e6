using Indaba.Cluster;

namespace Indaba.Faults;

/// <summary>A file system of its own, small enough to be filled up: an ext4 image, or memory where loop devices are missing.</summary>
internal sealed class SmallDisk
{
    private const long Size = 3L << 30;

    private SmallDisk(string folder) => Folder = folder;

    /// <summary>Where it is mounted.</summary>
    public string Folder { get; }

    private string Ballast => Path.Combine(Folder, "ballast");

    /// <summary>Makes and mounts it. The mount belongs to this program's own mount namespace and goes with it.</summary>
    public static async Task<SmallDisk> Mount(string folder)
    {
        var mount = Directory.CreateDirectory(Path.Combine(folder, "disk")).FullName;
        var image = Path.Combine(folder, "disk.img");
        try
        {
            await using (var file = File.Create(image)) file.SetLength(Size);
            await ChildProcess.Run(["mkfs.ext4", "-q", "-F", "-m", "0", image]);
            await ChildProcess.Run(["mount", "-o", "loop", image, mount]);
        }
        catch (Exception e) when (e is ClusterException or System.ComponentModel.Win32Exception)
        {
            File.Delete(image);
            await ChildProcess.Run(["mount", "-t", "tmpfs", "-o", $"size={Size},mode=755", "tmpfs", mount]);
        }
        return new SmallDisk(mount);
    }

    /// <summary>Leaves no byte free.</summary>
    public void Fill()
    {
        using var file = new FileStream(Ballast, FileMode.Create, FileAccess.Write, FileShare.None, 1);
        var piece = new byte[1 << 20];
        for (var size = piece.Length; size >= 512; size /= 2)
        {
            try
            {
                while (true)
                {
                    file.Write(piece, 0, size);
                    file.Flush(flushToDisk: size < piece.Length);
                }
            }
            catch (IOException)
            {
                // no room for so much
            }
        }
    }

    /// <summary>Gives the room back.</summary>
    public void Free() => File.Delete(Ballast);
}
