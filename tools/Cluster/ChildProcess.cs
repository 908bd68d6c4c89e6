using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Indaba.Cluster;

/// <summary>Something that a process of the cluster did not do as expected; the text is for people.</summary>
internal sealed class ClusterException(string message) : Exception(message);

/// <summary>A process in a session of its own (Ctrl+C in the terminal does not reach it), with its output kept and signals for it.</summary>
#pragma warning disable CA1001 // Process is only a handle on an id here; its events come until the end of its output
internal sealed partial class ChildProcess
{
    private const int KeptCharacters = 200_000;
    private readonly StringBuilder _output = new();
    private readonly Process _process;
    private readonly StreamWriter? _log;
    private readonly Func<string, bool>? _isReady;
    private int _endsOfOutput;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildProcess(ProcessStartInfo start, string? logFile, Func<string, bool>? isReady)
    {
        _isReady = isReady;
        _log = logFile is null ? null : new StreamWriter(new FileStream(logFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, e) => OnLine(e.Data);
        _process.ErrorDataReceived += (_, e) => OnLine(e.Data);
        _process.Exited += (_, _) => OnExit();
    }

    /// <summary>Starts a command. <paramref name="isReady"/> recognises the line of output that says that it serves.</summary>
    public static ChildProcess Start(IReadOnlyList<string> command, string? logFile = null, Func<string, bool>? isReady = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo("setsid", command);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        var child = new ChildProcess(start, logFile, isReady);
        child._process.Start();
        child.Id = child._process.Id;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => child.KillAll(); // whatever is left when this program ends
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>The process id.</summary>
    public int Id { get; private set; }
    /// <summary>Done when it says that it serves; fails when it ends before.</summary>
    public Task Ready => _ready.Task;
    /// <summary>Done with its exit code when it has ended.</summary>
    public Task<int> Exited => _exited.Task;
    /// <summary>True until it has ended.</summary>
    public bool IsRunning => !_exited.Task.IsCompleted;
    /// <summary>What it wrote last.</summary>
    public string Output { get { lock (_output) return _output.ToString(); } }

    /// <summary>SIGKILL, and waits for the end.</summary>
    public Task Kill()
    {
        Signal(SigKill);
        return Exited;
    }

    /// <summary>SIGKILL to it and to all that it has started.</summary>
    public void KillAll() => SignalAll(SigKill);

    /// <summary>Sends a signal to it and to all that it has started.</summary>
    public void SignalAll(int signal)
    {
        if (IsRunning) _ = SendSignal(-Id, signal); // its session is also its process group
    }

    /// <summary>SIGTERM, and waits for the end; SIGKILL when that takes longer than <paramref name="limit"/>. True when it ended by itself.</summary>
    public async Task<bool> Stop(TimeSpan limit)
    {
        Signal(SigContinue);
        Signal(SigTerminate);
        try
        {
            await Exited.WaitAsync(limit);
            return true;
        }
        catch (TimeoutException)
        {
            await Kill();
            return false;
        }
    }

    /// <summary>SIGSTOP.</summary>
    public void Freeze() => Signal(SigStop);

    /// <summary>SIGCONT.</summary>
    public void Thaw() => Signal(SigContinue);

    /// <summary>Sends a signal, unless it has ended.</summary>
    public void Signal(int signal)
    {
        if (IsRunning) _ = SendSignal(Id, signal);
    }

    /// <summary>Runs a command to its end and returns what it printed.</summary>
    /// <exception cref="ClusterException">It ended with another code than 0.</exception>
    public static async Task<string> Run(IReadOnlyList<string> command, string? input = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (input is not null) await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(2));
        return process.ExitCode == 0 ? await output : throw new ClusterException($"{string.Join(' ', command)}: exit code {process.ExitCode}\n{await output}{await error}");
    }

    /// <summary>The full path of a program, or null when it is not installed.</summary>
    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/sbin", "/sbin"]).Select(d => Path.Combine(d, program)).FirstOrDefault(File.Exists);

    /// <summary>A number for a command line.</summary>
    public static string Number(int n) => n.ToString(CultureInfo.InvariantCulture);

    private void OnLine(string? line)
    {
        if (line is null)
        {
            if (Interlocked.Increment(ref _endsOfOutput) == 2) _log?.Dispose();
            return;
        }
        lock (_output)
        {
            if (_output.Length > KeptCharacters) _output.Remove(0, KeptCharacters / 2);
            _output.AppendLine(line);
            _log?.WriteLine(line);
        }
        if (_isReady?.Invoke(line) == true) _ready.TrySetResult();
    }

    private void OnExit()
    {
        var code = _process.ExitCode;
        _exited.TrySetResult(code);
        if (_ready.TrySetException(new ClusterException($"{string.Join(' ', _process.StartInfo.ArgumentList.Take(8))} ended with code {code} before it was ready:\n{Output}"))) _ = _ready.Task.Exception; // seen, should nobody wait for it
    }

    /// <summary>SIGUSR2.</summary>
    public const int SigUser2 = 12;
    /// <summary>SIGTERM.</summary>
    public const int SigTerminate = 15;
    /// <summary>SIGCONT.</summary>
    public const int SigContinue = 18;
    /// <summary>SIGSTOP.</summary>
    public const int SigStop = 19;
    private const int SigKill = 9;

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int pid, int signal);
}
