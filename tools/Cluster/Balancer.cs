using System.Net.Sockets;

namespace Indaba.Cluster;

/// <summary>HAProxy in front of the nodes. <paramref name="configure"/> writes its file: anew each time that nodes come or go.</summary>
internal sealed class Balancer(string folder, BalancerPlace place, Func<string> configure) : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);
    private ChildProcess? _process;

    /// <summary>What to say when it is not installed.</summary>
    public const string Missing = "HAProxy is not installed (haproxy was not found). On Debian: apt-get install haproxy";

    /// <summary>Where clients connect.</summary>
    public BalancerPlace Place => place;

    /// <summary>True while there is a process.</summary>
    public bool IsRunning => _process is { IsRunning: true };

    /// <summary>The master's process id.</summary>
    public int? ProcessId => _process is { IsRunning: true } p ? p.Id : null;

    private string File => Path.Combine(folder, "haproxy.cfg");

    /// <summary>Starts it and waits until it takes connections.</summary>
    public async Task Start()
    {
        if (IsRunning) return;
        var program = ChildProcess.Find("haproxy") ?? throw new ClusterException(Missing);
        Directory.CreateDirectory(folder);
        await System.IO.File.WriteAllTextAsync(File, configure());
        await ChildProcess.Run([program, "-c", "-q", "-f", File], environment: place.Environment(folder));
        // -W: a master that starts a new worker for a new file while the old one serves what it has.
        _process = ChildProcess.Start([program, "-W", "-db", "-f", File], Path.Combine(folder, "log"), environment: place.Environment(folder));
        await AwaitListening(_process);
    }

    /// <summary>Takes a new file without dropping a connection.</summary>
    public async Task Reload()
    {
        await System.IO.File.WriteAllTextAsync(File, configure());
        await ChildProcess.Run([ChildProcess.Find("haproxy")!, "-c", "-q", "-f", File], environment: place.Environment(folder));
        _process?.Signal(ChildProcess.SigUser2);
    }

    /// <summary>SIGKILL to master and workers: every client's connection breaks at once.</summary>
    public async Task Kill()
    {
        if (_process is not { } process) return;
        process.KillAll();
        await process.Exited;
    }

    /// <summary>Ends it; open connections end with it.</summary>
    public async Task Stop()
    {
        if (_process is { } process) await process.Stop(TimeSpan.FromSeconds(5));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await Kill();

    private async Task AwaitListening(ChildProcess process)
    {
        using var limit = new CancellationTokenSource(StartLimit);
        while (true)
        {
            if (!process.IsRunning) throw new ClusterException($"HAProxy ended while starting:\n{process.Output}");
            using var socket = new Socket(place.Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(place.Address, place.C2s, limit.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(20, limit.Token);
            }
        }
    }
}
