namespace Indaba.Server.Options;

/// <summary>
/// What tells whether a file has changed. Compared now and then rather than watched: inotify is silent for files behind
/// symbolic links that are switched (Kubernetes secrets, certbot), on network file systems and on bind mounts.
/// </summary>
internal readonly record struct FileStamp(bool Exists, long Ticks, long Length, string? Target)
{
    public static FileStamp Of(string path)
    {
        try
        {
            var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName;
            var info = new FileInfo(target ?? path);
            return info.Exists ? new FileStamp(true, info.LastWriteTimeUtc.Ticks, info.Length, target) : default;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default; // a dangling link in the moment of a switch
        }
    }
}
