using System.Net.Sockets;
using System.Text;
using Indaba.Server.Gateway;

namespace Indaba.Server.Options;

/// <summary>What can be known before the server starts only by trying: data folder, ports, certificate, another server.</summary>
internal static class StartCheck
{
    /// <summary>The control socket of a data folder.</summary>
    public static string AdminSocket(string dataDirectory) => Path.Combine(dataDirectory, "admin.sock");

    /// <summary>One plain sentence for each mistake. Creates the data folder (for the owner only) when there is none.</summary>
    public static IReadOnlyList<string> Check(ServerOptions options, TimeProvider time)
    {
        var mistakes = new List<string>();
        var folder = CheckFolder(options.DataDirectory);
        if (folder is not null) mistakes.Add(folder);
        else if (IsRunning(options.DataDirectory))
            return [$"a server is already running with the data folder {options.DataDirectory}: stop it, or give this one another folder with --data"];
        CheckPorts(options, mistakes);
        // A self-signed one that is not there yet is made at the start, not by a check.
        if (options.Certificate.Path is { Length: > 0 } || (folder is null && File.Exists(SelfSigned.CertificateFile(options.DataDirectory)))) CheckCertificate(options, time, mistakes);
        return mistakes;
    }

    /// <summary>True when a server answers on the control socket of a data folder.</summary>
    public static bool IsRunning(string dataDirectory)
    {
        var path = AdminSocket(dataDirectory);
        if (!File.Exists(path)) return false;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false; // left over from a crash
        }
    }

    private static string? CheckFolder(string folder)
    {
        // sun_path holds 108 bytes on Linux and 104 on macOS, the end zero included.
        var socket = AdminSocket(folder);
        if (Encoding.UTF8.GetByteCount(socket) > 103) return $"the data folder {folder} has too long a path: the control socket in it may have 103 bytes";
        try
        {
            if (!Directory.Exists(folder))
            {
                if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
                else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
            var probe = Path.Combine(folder, ".probe-" + Ids.Short());
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose)) { }
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the data folder {folder} cannot be written: {Sentence.Of(e)}";
        }
    }

    private static void CheckPorts(ServerOptions options, List<string> mistakes)
    {
        foreach (var (key, port, bind) in new[]
        {
            ("c2s.port", options.C2s.Port, options.Bind), ("tls.port", options.Tls.Port, options.Bind),
            ("http.port", options.Http.Port, options.Http.Bind), ("https.port", options.Https.Port, options.Bind),
            ("cluster.agentPort", options.Cluster.AgentPort, options.Cluster.AgentBind),
        })
        {
            foreach (var endPoint in Listeners.EndPoints(bind, port))
            {
                if (Listeners.Fault(endPoint) is { } fault)
                    mistakes.Add($"port {endPoint.Port} of {endPoint.Address} ('{key}') cannot be used: {Sentence.Of(fault)}");
            }
        }
    }

    private static void CheckCertificate(ServerOptions options, TimeProvider time, List<string> mistakes)
    {
        try
        {
            _ = Certificates.Load(options, time);
        }
        catch (CertificateException e)
        {
            mistakes.Add(e.Message);
        }
    }
}
