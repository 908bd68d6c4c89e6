using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Indaba.Server.Tests.Wire;

/// <summary>
/// A server process of its own on a folder of its own and free ports of loopback. Kill, stop and start again keep
/// folder and ports. Implementations: <see cref="ServerProcess"/> (Indaba) and <see cref="ProsodyProcess"/>, the peer
/// that tests of tests run against.
/// </summary>
internal abstract partial class TestServer : WireTarget, IAsyncDisposable
{
    /// <summary>The password of every account in tests.</summary>
    public const string Password = "wherefore";

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private readonly StringBuilder _output = new();
    private TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    protected TestServer()
    {
        Folder = Path.Combine(Path.GetTempPath(), $"indaba-test-{Environment.ProcessId}-{Path.GetRandomFileName()}");
        Directory.CreateDirectory(Folder);
        var ports = FreePorts(3);
        (C2sPort, TlsPort, HttpPort) = (ports[0], ports[1], ports[2]);
    }

    /// <summary>The folder with all that the server keeps.</summary>
    public string Folder { get; }
    /// <inheritdoc/>
    public override int C2sPort { get; }
    /// <inheritdoc/>
    public override int TlsPort { get; }
    /// <summary>The port of HTTP.</summary>
    public int HttpPort { get; }
    /// <summary>The running process.</summary>
    public Process? Process { get; private set; }

    /// <summary>What the server wrote to stdout and stderr, the last of it.</summary>
    public string Output
    {
        get { lock (_output) return _output.ToString(); }
    }

    /// <summary>Starts the server and waits until logins are possible.</summary>
    public async Task Start()
    {
        _ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var process = new Process { StartInfo = StartInfo(), EnableRaisingEvents = true };
        process.StartInfo.RedirectStandardOutput = process.StartInfo.RedirectStandardError = true;
        process.StartInfo.UseShellExecute = false;
        process.OutputDataReceived += (_, e) => OnLine(e.Data);
        process.ErrorDataReceived += (_, e) => OnLine(e.Data);
        process.Exited += (_, _) => _ready.TrySetException(new WireException($"the server ended while starting:\n{Output}"));
        process.Start();
        Process = process;
        // A test run that is stopped (SIGTERM) must not leave servers behind.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => EndQuietly(process);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            await _ready.Task.WaitAsync(StartLimit);
        }
        catch (TimeoutException)
        {
            throw new WireException($"the server was not ready within {StartLimit.TotalSeconds:0} s:\n{Output}");
        }
    }

    /// <summary>Ends the process by SIGKILL, as a power cut would.</summary>
    public async Task Kill()
    {
        if (Process is not { } process) return;
        process.Kill(entireProcessTree: false);
        await process.WaitForExitAsync();
        process.Dispose();
        Process = null;
    }

    /// <summary>Ends the process by SIGTERM and returns its exit code.</summary>
    public async Task<int> Stop()
    {
        var process = Process ?? throw new InvalidOperationException("the server does not run");
        if (SendSignal(process.Id, 15) != 0) throw new WireException($"SIGTERM failed: {Marshal.GetLastPInvokeError()}");
        try
        {
            await process.WaitForExitAsync().WaitAsync(StartLimit);
        }
        catch (TimeoutException)
        {
            throw new WireException($"the server did not end within {StartLimit.TotalSeconds:0} s of SIGTERM:\n{Output}");
        }
        var code = process.ExitCode;
        process.Dispose();
        Process = null;
        return code;
    }

    /// <summary>Makes accounts, all with <see cref="Password"/>.</summary>
    public abstract Task AddAccounts(IReadOnlyCollection<string> names);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Kill();
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // something still writes there; the folder is temporary anyway
        }
    }

    /// <summary>
    /// Ports nobody listens on at this moment, all different, and below the range from which the system takes the
    /// ports of outgoing connections: else a client that reconnects while the server is down may meet itself.
    /// </summary>
    public static int[] FreePorts(int count)
    {
        var listeners = new List<TcpListener>();
        while (listeners.Count < count)
        {
            var listener = new TcpListener(IPAddress.Loopback, RandomNumberGenerator.GetInt32(10_000, 32_000));
            try
            {
                listener.Start();
                listeners.Add(listener);
            }
            catch (SocketException)
            {
                // taken: try another
            }
        }
        var ports = listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port).ToArray();
        foreach (var l in listeners) l.Stop();
        return ports;
    }

    /// <summary>The command that starts the server.</summary>
    protected abstract ProcessStartInfo StartInfo();

    /// <summary>True for the line of output that says that logins are possible.</summary>
    protected virtual bool IsReady(string line) => line == "ready";

    /// <summary>Runs a command to its end and returns what it printed.</summary>
    protected static async Task<string> Run(ProcessStartInfo start, string? input = null)
    {
        start.RedirectStandardOutput = start.RedirectStandardError = start.RedirectStandardInput = true;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (input is not null) await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync().WaitAsync(StartLimit);
        return process.ExitCode == 0 ? await output : throw new WireException($"{start.FileName} {string.Join(' ', start.ArgumentList)}: exit code {process.ExitCode}\n{await output}{await error}");
    }

    private static void EndQuietly(Process process)
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // it has ended already
        }
    }

    private void OnLine(string? line)
    {
        if (line is null) return;
        if (IsReady(line)) _ready.TrySetResult();
        lock (_output)
        {
            if (_output.Length > 200_000) _output.Remove(0, 100_000);
            _output.AppendLine(line);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int pid, int signal);
}
