using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Indaba.Cluster;

/// <summary>
/// A PostgreSQL server of its own: own data folder, own port, a role and a database named <c>indaba</c>. It can be
/// killed, frozen and started again. As root it runs as the user <c>postgres</c>, since PostgreSQL refuses root.
/// Whoever needs a database in a test compiles this one file; it leans on nothing else.
/// </summary>
internal sealed partial class PostgresServer : IAsyncDisposable
{
    /// <summary>The role and the database.</summary>
    public const string Name = "indaba";
    private const string Administrator = "postgres";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _password;
    private readonly bool _disposable;
    private readonly StringBuilder _output = new();
    private Process? _postmaster;
    private TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private PostgresServer(string folder, string password, bool disposable) => (Folder, _password, _disposable) = (folder, password, disposable);

    /// <summary>The folder: <c>data</c> (PostgreSQL's own), <c>password</c> and <c>log</c> are in it.</summary>
    public string Folder { get; }
    /// <summary>The address it listens at.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;
    /// <summary>The port it listens at.</summary>
    public int Port { get; init; }
    /// <summary>The limit of connections; what is set here holds from the next start.</summary>
    public int MaxConnections { get; set; } = 100;
    /// <summary>More settings, <c>name=value</c>.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];
    /// <summary>The process id of the postmaster, or null while it does not run.</summary>
    public int? ProcessId => _postmaster is { HasExited: false } running ? running.Id : null;
    /// <summary>What it said last.</summary>
    public string Output { get { lock (_output) return _output.ToString(); } }

    /// <summary>For Npgsql: the role that nodes use, which is no superuser.</summary>
    public string ConnectionString => Connection(Name);

    /// <summary>For Npgsql: another database of this server.</summary>
    public string Connection(string database) => $"Host={Address};Port={Port};Database={database};Username={Name};Password={_password}";

    /// <summary>Where Debian and others put the programs: the folder with <c>initdb</c>, or null when PostgreSQL is not installed.</summary>
    public static string? Binaries { get; } = Find();

    /// <summary>What to say when <see cref="Binaries"/> is null.</summary>
    public const string Missing = "PostgreSQL is not installed (initdb was not found). On Debian: apt-get install postgresql";

    /// <summary>Starts a server on a new folder below the temporary one, which goes when this is disposed.</summary>
    public static async Task<PostgresServer> StartNew(int maxConnections = 100, params IReadOnlyList<string> settings)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"indaba-pg-{Environment.ProcessId}-{Path.GetRandomFileName()}");
        var server = await Open(folder, 0, null, disposable: true, settings).ConfigureAwait(false);
        server.MaxConnections = maxConnections;
        try
        {
            await server.Start().ConfigureAwait(false);
            return server;
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A server on a folder, made by initdb when there is none; not started. Port 0 takes a free one.</summary>
    /// <exception cref="InvalidOperationException">PostgreSQL is not installed, or cannot reach the folder.</exception>
    public static async Task<PostgresServer> Open(string folder, int port, IPAddress? address = null, bool disposable = false, params IReadOnlyList<string> settings)
    {
        if (Binaries is null) throw new InvalidOperationException(Missing);
        folder = Path.GetFullPath(folder);
        Directory.CreateDirectory(folder);
        if (AsRoot) await Run("chown", [Administrator, folder]).ConfigureAwait(false);
        if (AsRoot && await Exit("setpriv", [.. Demote, "test", "-w", folder]).ConfigureAwait(false) != 0)
            throw new InvalidOperationException($"the user {Administrator} cannot reach {folder}: choose a folder below /tmp or /var/tmp, or let others pass through the folders above it");
        var passwordFile = Path.Combine(folder, "password");
        var isNew = !File.Exists(Path.Combine(folder, "data", "PG_VERSION"));
        if (isNew)
        {
            await WriteSecret(passwordFile, RandomNumberGenerator.GetHexString(32, lowercase: true)).ConfigureAwait(false);
            var data = Path.Combine(folder, "data");
            // The C locale sorts bytes: the same on every machine, and faster.
            await Run([.. Demotion, Path.Combine(Binaries, "initdb"), "-D", data, "-U", Administrator, "--pwfile", passwordFile, "--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-instructions"]).ConfigureAwait(false);
            await LetIn(folder, "scram-sha-256").ConfigureAwait(false);
        }
        return new PostgresServer(folder, await File.ReadAllTextAsync(passwordFile).ConfigureAwait(false), disposable)
        {
            Port = port == 0 ? FreePort(address ?? IPAddress.Loopback) : port,
            Address = address ?? IPAddress.Loopback,
            Settings = settings,
        };
    }

    /// <summary>Another way to authenticate than SCRAM, for all, from the next start.</summary>
    public Task LetIn(string method) => LetIn(Folder, method);

    /// <summary>Starts it and waits until it takes connections; makes role and database the first time.</summary>
    public async Task Start()
    {
        if (ProcessId is not null) return;
        await StartPostmaster().ConfigureAwait(false);
        var marker = Path.Combine(Folder, "made");
        if (File.Exists(marker)) return;
        await Sql($"CREATE ROLE {Name} LOGIN PASSWORD '{_password}'", "postgres").ConfigureAwait(false);
        await Sql($"CREATE DATABASE {Name} OWNER {Name}", "postgres").ConfigureAwait(false);
        await File.WriteAllTextAsync(marker, "").ConfigureAwait(false);
    }

    /// <summary>Runs statements as the administrator, for whom some connections are always kept, and returns what psql printed.</summary>
    public Task<string> Sql(string statements, string database = Name)
    {
        var start = new ProcessStartInfo(Path.Combine(Binaries!, "psql"), ["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", $"{Address}", "-p", Number(Port), "-U", Administrator, "-d", database, "-c", statements]);
        start.Environment["PGPASSWORD"] = _password;
        return Run(start);
    }

    /// <summary>Ends it in order ("fast": sessions are ended, the state is written).</summary>
    public Task Stop() => End(postmaster => Signal(postmaster, SigInt));

    /// <summary>SIGKILL to the postmaster and all of its processes at once: what is not on disk is gone, as after a power cut but for the page cache.</summary>
    public Task Kill() => End(postmaster =>
    {
        Signal(postmaster, SigStop); // so that it sees none of its children die
        foreach (var child in Children(postmaster)) Signal(child, SigKill);
        Signal(postmaster, SigKill);
    });

    /// <summary>SIGSTOP to all of its processes: connections stay open and nothing answers.</summary>
    public void Freeze()
    {
        if (ProcessId is not { } postmaster) return;
        Signal(postmaster, SigStop); // first, so that there are no new children
        foreach (var child in Children(postmaster)) Signal(child, SigStop);
    }

    /// <summary>Ends a <see cref="Freeze"/>.</summary>
    public void Thaw()
    {
        if (ProcessId is not { } postmaster) return;
        foreach (var child in Children(postmaster)) Signal(child, SigContinue);
        Signal(postmaster, SigContinue);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_disposable)
        {
            await Kill().ConfigureAwait(false);
            Directory.Delete(Folder, recursive: true);
            return;
        }
        Thaw();
        await Stop().ConfigureAwait(false);
    }

    // Written over and not replaced, so that it stays the server's own file.
    private static Task LetIn(string folder, string method) =>
        File.WriteAllTextAsync(Path.Combine(folder, "data", "pg_hba.conf"), $"host all all 127.0.0.1/32 {method}\nhost all all samenet {method}\n");

    private async Task StartPostmaster()
    {
        _ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        string[] settings =
        [
            $"listen_addresses={Address}", $"port={Port}", "unix_socket_directories=", $"max_connections={MaxConnections}", "fsync=on", "synchronous_commit=on", "logging_collector=off",
            .. Settings,
        ];
        // A session of its own: Ctrl+C in the terminal must not reach it before those that use it.
        string[] command = ["setsid", .. Demotion, Path.Combine(Binaries!, "postgres"), "-D", Path.Combine(Folder, "data"), .. settings.SelectMany(s => new[] { "-c", s })];
        var process = new Process { StartInfo = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = "/" }, EnableRaisingEvents = true };
        process.ErrorDataReceived += (_, e) => OnLine(e.Data);
        process.OutputDataReceived += (_, e) => OnLine(e.Data);
        process.Exited += (_, _) => _ready.TrySetException(new InvalidOperationException($"PostgreSQL ended while starting:\n{Output}"));
        process.Start();
        _postmaster = process;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => EndQuietly(process);
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        await _ready.Task.WaitAsync(Limit).ConfigureAwait(false);
    }

    private async Task End(Action<int> how)
    {
        if (_postmaster is not { } process) return;
        if (!process.HasExited) how(process.Id);
        await process.WaitForExitAsync().WaitAsync(Limit).ConfigureAwait(false);
        process.Dispose();
        _postmaster = null;
    }

    private void OnLine(string? line)
    {
        if (line is null) return;
        lock (_output)
        {
            if (_output.Length > 100_000) _output.Remove(0, 50_000);
            _output.AppendLine(line);
            try
            {
                File.AppendAllText(Path.Combine(Folder, "log"), line + "\n");
            }
            catch (IOException)
            {
                // its disk is full, or the folder is being removed
            }
        }
        if (line.Contains("database system is ready to accept connections", StringComparison.Ordinal)) _ready.TrySetResult();
    }

    private static void EndQuietly(Process process)
    {
        try
        {
            if (process.HasExited) return;
            foreach (var child in Children(process.Id)) Signal(child, SigContinue); // should they be frozen
            Signal(process.Id, SigContinue);
            Signal(process.Id, SigInt);
        }
        catch (InvalidOperationException)
        {
            // it was ended and let go of before
        }
    }

    private static List<int> Children(int parent)
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id)) continue;
            try
            {
                // pid (name) state ppid …; the name may hold anything, so read behind its end
                var stat = File.ReadAllText(Path.Combine(folder, "stat"));
                if (stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1] == Number(parent)) found.Add(id);
            }
            catch (IOException)
            {
                // it has ended meanwhile
            }
        }
        return found;
    }

    private static bool AsRoot => Environment.UserName == "root";

    private static string[] Demote => [$"--reuid={Administrator}", $"--regid={Administrator}", "--clear-groups"];

    private static string[] Demotion => AsRoot ? ["setpriv", .. Demote] : [];

    private static string? Find()
    {
        var debian = Directory.Exists("/usr/lib/postgresql") ? Directory.EnumerateDirectories("/usr/lib/postgresql").OrderByDescending(d => double.TryParse(Path.GetFileName(d), CultureInfo.InvariantCulture, out var v) ? v : 0).Select(d => Path.Combine(d, "bin")) : [];
        return debian.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')).FirstOrDefault(d => File.Exists(Path.Combine(d, "initdb")) && File.Exists(Path.Combine(d, "postgres")));
    }

    private static async Task WriteSecret(string path, string text)
    {
        await File.WriteAllTextAsync(path, text).ConfigureAwait(false);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (AsRoot) await Run("chown", [Administrator, path]).ConfigureAwait(false);
    }

    private static Task<string> Run(IReadOnlyList<string> command) => Run(command[0], command.Skip(1));

    private static Task<string> Run(string program, IEnumerable<string> arguments) => Run(new ProcessStartInfo(program, arguments));

    private static async Task<string> Run(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.WorkingDirectory = "/";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Limit).ConfigureAwait(false);
        return process.ExitCode == 0 ? await output.ConfigureAwait(false) : throw new InvalidOperationException($"{start.FileName} ended with code {process.ExitCode}: {await error.ConfigureAwait(false)}{await output.ConfigureAwait(false)}");
    }

    private static async Task<int> Exit(string program, IEnumerable<string> arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments))!;
        await process.WaitForExitAsync().WaitAsync(Limit).ConfigureAwait(false);
        return process.ExitCode;
    }

    /// <summary>A port nobody listens at now, below the range of outgoing connections.</summary>
    private static int FreePort(IPAddress address)
    {
        while (true)
        {
            var port = RandomNumberGenerator.GetInt32(10_000, 32_000);
            try
            {
                using var listener = new TcpListener(address, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // taken: try another
            }
        }
    }

    private static string Number(int n) => n.ToString(CultureInfo.InvariantCulture);

    private static void Signal(int pid, int signal) => _ = SendSignal(pid, signal); // a process that has ended meanwhile is no fault

    private const int SigInt = 2, SigKill = 9, SigContinue = 18, SigStop = 19;

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int pid, int signal);
}
