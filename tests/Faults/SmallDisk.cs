using Indaba.Cluster;

namespace Indaba.Faults;

/// <summary>A file system of its own, small enough to be filled up: an ext4 image, or memory where loop devices are missing.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private const long Size = 3L << 30;

    private SmallDisk(string folder) => Folder = folder;

    /// <summary>Where it is mounted.</summary>
    public string Folder { get; }

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
    public async Task Fill()
    {
        const long rest = 8 << 20;
        var free = new DriveInfo(Folder).AvailableFreeSpace;
        if (free > 2 * rest) await ChildProcess.Run(["fallocate", "-l", $"{free - rest}", Path.Combine(Folder, "ballast1")]);
        using var file = new FileStream(Path.Combine(Folder, "ballast2"), FileMode.Create, FileAccess.Write, FileShare.None, 1);
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
    public void Free()
    {
        File.Delete(Path.Combine(Folder, "ballast1"));
        File.Delete(Path.Combine(Folder, "ballast2"));
    }

    /// <summary>Takes it away; nobody may use it any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await ChildProcess.Run(["umount", Folder]);
    }
}
