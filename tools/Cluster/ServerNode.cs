using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Indaba.Cluster;

/// <summary>Where a node listens.</summary>
/// <param name="Address">The address, also that of the other nodes' links to it.</param>
/// <param name="C2s">TCP with STARTTLS.</param>
/// <param name="Tls">TCP with direct TLS.</param>
/// <param name="Http">HTTP, WebSocket, health.</param>
/// <param name="Https">HTTP with TLS.</param>
/// <param name="Silo">The engine's port between nodes.</param>
/// <param name="Agent">The port of HAProxy's agent-check.</param>
internal sealed record NodePlace(IPAddress Address, int C2s, int Tls, int Http, int Https, int Silo, int Agent);

/// <summary>
/// One node: <c>indaba run</c> with the cluster's database. What ends by itself is started again, as systemd would do:
/// a node that was declared dead while it was frozen ends itself when it wakes up.
/// </summary>
internal sealed class ServerNode(int number, string folder, NodePlace place, ClusterSettings settings) : IClusterNode, IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(90), StopLimit = TimeSpan.FromSeconds(30), Pause = TimeSpan.FromSeconds(1);
    private const int EndedForGood = 3; // "indaba drain --stop"
    private readonly Lock _lock = new();
    private ChildProcess? _process;
    private bool _wanted;

    /// <summary>Its number, from 1.</summary>
    public int Number => number;
    /// <inheritdoc/>
    public string Name => $"node {number}";
    /// <summary>Where it listens.</summary>
    public NodePlace Place => place;
    /// <summary>Its data folder: certificate, control socket, log.</summary>
    public string Folder => folder;
    /// <summary>What stands before the command, such as <c>ip netns exec NAME</c>.</summary>
    public IReadOnlyList<string> Prefix { get; init; } = [];
    /// <summary>Times that it ended by itself and was started again.</summary>
    public int Restarts { get; private set; }
    /// <summary>The running process.</summary>
    public ChildProcess? Process { get { lock (_lock) return _process; } }
    /// <inheritdoc/>
    public bool IsRunning => Process is { IsRunning: true };
    /// <summary>True while it should run.</summary>
    public bool IsWanted { get { lock (_lock) return _wanted; } }

    /// <inheritdoc/>
    public async Task Start()
    {
        var process = Launch();
        try
        {
            await process.Ready.WaitAsync(StartLimit);
        }
        catch (TimeoutException)
        {
            throw new ClusterException($"{Name} was not ready within {StartLimit.TotalSeconds:0} s:\n{process.Output}");
        }
    }

    /// <summary>Starts it without waiting for it.</summary>
    public ChildProcess Launch()
    {
        lock (_lock)
        {
            _wanted = true;
            if (_process is { IsRunning: true } running) return running;
            Directory.CreateDirectory(folder);
            var process = _process = ChildProcess.Start([.. Prefix, .. Command()], Path.Combine(folder, "log"), line => line == "ready", settings.Environment);
            _ = Supervise(process);
            return process;
        }
    }

    /// <inheritdoc/>
    public async Task Kill()
    {
        if (Unwanted() is { } process) await process.Kill();
    }

    /// <inheritdoc/>
    public async Task Stop()
    {
        if (Unwanted() is { } process && !await process.Stop(StopLimit)) throw new ClusterException($"{Name} did not end within {StopLimit.TotalSeconds:0} s of SIGTERM:\n{process.Output}");
    }

    /// <inheritdoc/>
    public void Freeze() => Process?.Freeze();

    /// <inheritdoc/>
    public void Thaw() => Process?.Thaw();

    /// <summary>Runs a command of the server's against this node and returns what it printed.</summary>
    public Task<string> Run(string? input, params IReadOnlyList<string> arguments) =>
        ChildProcess.Run([.. Prefix, .. settings.Server, .. arguments, "--data", folder, "--config", settings.File], input);

    /// <summary>Waits until the node tells the balancer that it takes connections: it runs and has its database.</summary>
    public async Task AwaitUp()
    {
        using var limit = new CancellationTokenSource(StartLimit);
        while (!(await AskAgent(limit.Token)).Contains("up", StringComparison.Ordinal))
        {
            if (!IsWanted) return;
            await Task.Delay(50, CancellationToken.None);
            if (limit.IsCancellationRequested) throw new ClusterException($"{Name} did not take connections within {StartLimit.TotalSeconds:0} s:\n{Process?.Output}");
        }
    }

    /// <summary>What the balancer would be told now; empty when nobody answers.</summary>
    private async Task<string> AskAgent(CancellationToken cancel)
    {
        using var socket = new Socket(place.Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(place.Address, place.Agent, cancel);
            var answer = new byte[200];
            return Encoding.ASCII.GetString(answer, 0, await socket.ReceiveAsync(answer, cancel));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            return "";
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Unwanted() is { } process) await process.Kill();
    }

    private ChildProcess? Unwanted()
    {
        lock (_lock)
        {
            _wanted = false;
            return _process is { IsRunning: true } ? _process : null;
        }
    }

    private async Task Supervise(ChildProcess process)
    {
        var code = await process.Exited;
        await Task.Delay(Pause);
        lock (_lock)
        {
            if (!_wanted || _process != process) return;
            if (code == EndedForGood)
            {
                _wanted = false;
                return;
            }
            Restarts++;
        }
        Launch();
    }

    private IEnumerable<string> Command()
    {
        string N(int n) => ChildProcess.Number(n);
        return
        [
            .. settings.Server, "run", "--config", settings.File, "--data", folder, "--domain", settings.Domain, "--bind", $"{place.Address}",
            "--c2s", N(place.C2s), "--tls", N(place.Tls), "--http", N(place.Http), "--https", N(place.Https),
            "--set", $"http.bind={place.Address}",
            "--set", $"cluster.address={place.Address}", "--set", $"cluster.siloPort={N(place.Silo)}",
            "--set", $"cluster.agentPort={N(place.Agent)}", "--set", $"cluster.agentBind={place.Address}",
            "--set", $"proxyProtocol.from={string.Join(',', settings.Balancers)}",
            .. settings.Arguments,
        ];
    }
}

/// <summary>What all nodes of a cluster share.</summary>
internal sealed record ClusterSettings
{
    /// <summary>The command of the server.</summary>
    public required IReadOnlyList<string> Server { get; init; }
    /// <summary>The settings file of all nodes, <c>indaba.json</c>.</summary>
    public required string File { get; init; }
    /// <summary>Whence the balancer connects.</summary>
    public required IReadOnlyList<System.Net.IPAddress> Balancers { get; init; }
    /// <summary>The domain.</summary>
    public string Domain { get; init; } = "localhost";
    /// <summary>Further arguments of <c>indaba run</c>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
    /// <summary>Environment variables of the nodes.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}
