using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Indaba.Cluster;

/// <summary>Takes commands for a running cluster at a socket in its folder: a line, an answer, the end.</summary>
internal sealed class ControlServer : IAsyncDisposable
{
    private readonly ClusterRun _run;
    private readonly TaskCompletionSource _stop;
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _ending = new();
    private readonly SemaphoreSlim _oneAtATime = new(1, 1);

    private ControlServer(ClusterRun run, TaskCompletionSource stop) => (_run, _stop) = (run, stop);

    /// <summary>Listens until it is disposed.</summary>
    public static ControlServer Listen(ClusterRun run, TaskCompletionSource stop)
    {
        var server = new ControlServer(run, stop);
        var path = Control.SocketPath(run.Options.Folder);
        File.Delete(path);
        server._socket.Bind(new UnixDomainSocketEndPoint(path));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        server._socket.Listen(8);
        server.NoteProcesses();
        _ = server.Accept();
        return server;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _socket.Dispose();
        File.Delete(Control.SocketPath(_run.Options.Folder));
        File.Delete(Control.ProcessFile(_run.Options.Folder));
    }

    private async Task Accept()
    {
        try
        {
            while (true) _ = Serve(await _socket.AcceptAsync(_ending.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // the cluster goes down
        }
    }

    private async Task Serve(Socket client)
    {
        await using var stream = new NetworkStream(client, ownsSocket: true);
        using var reader = new StreamReader(stream);
        try
        {
            var words = (await reader.ReadLineAsync(_ending.Token) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string answer;
            await _oneAtATime.WaitAsync(_ending.Token);
            try
            {
                answer = await Do(words);
                NoteProcesses();
            }
            catch (Exception e) when (e is ClusterException or InvalidOperationException or TimeoutException or IOException)
            {
                answer = $"error: {e.Message}";
            }
            finally
            {
                _oneAtATime.Release();
            }
            await stream.WriteAsync(Encoding.UTF8.GetBytes(answer.EndsWith('\n') ? answer : answer + "\n"), _ending.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // whoever asked has gone
        }
    }

    private async Task<string> Do(string[] words)
    {
        switch (words)
        {
            case ["ping"]: return "pong";
            case ["where"]: return $"{_run.Database.Address} {_run.Database.Port}";
            case ["status"]: return Status();
            case ["down"]: _stop.TrySetResult(); return "stopping";
            case ["add"]:
                var added = await _run.Add();
                return $"{added.Name} serves at port {added.Place.C2s}";
            case ["kill", var n]: await Node(n).Kill(); return $"{Node(n).Name} was killed";
            case ["freeze", var n]: Node(n).Freeze(); return $"{Node(n).Name} is frozen";
            case ["thaw", var n]: Node(n).Thaw(); return $"{Node(n).Name} goes on";
            case ["restart", var n]:
                await Node(n).Stop();
                await Node(n).Start();
                return $"{Node(n).Name} serves again";
            case ["drain", var n]: return await Node(n).Run(null, "drain");
            case ["remove", var n]:
                var name = Node(n).Name;
                await _run.Remove(Node(n));
                return $"{name} is gone";
            case ["database", "kill"]: await _run.Database.Kill(); return "the database was killed";
            case ["database", "start"]: await _run.Database.Start(); return "the database runs";
            case ["database", "freeze"]: _run.Database.Freeze(); return "the database is frozen";
            case ["database", "thaw"]: _run.Database.Thaw(); return "the database goes on";
            default: throw new ClusterException($"cannot be understood: {string.Join(' ', words)}");
        }
    }

    private string Status()
    {
        var text = new StringBuilder();
        void Line(string name, int? id, string where) => text.Append(CultureInfo.InvariantCulture, $"{name,-10} {(id is null ? "down" : $"process {id}"),-16} {where}\n");
        Line("database", _run.Database.ProcessId, $"{_run.Database.Address}:{_run.Database.Port}");
        var place = _run.Balancer.Place;
        Line("haproxy", _run.Balancer.ProcessId, $"{place.Address} ports {place.C2s}, {place.Tls}, {place.Http}");
        foreach (var node in _run.Nodes)
            Line(node.Name, node.Process is { IsRunning: true } p ? p.Id : null, $"ports {node.Place.C2s}, {node.Place.Tls}, {node.Place.Http}{(node.Restarts > 0 ? $", ended by itself {node.Restarts} times" : "")}");
        return text.ToString();
    }

    private ServerNode Node(string number) =>
        _run.Nodes.FirstOrDefault(n => n.Number.ToString(CultureInfo.InvariantCulture) == number) ?? throw new ClusterException($"there is no node {number}");

    private void NoteProcesses() => File.WriteAllLines(Control.ProcessFile(_run.Options.Folder),
        new[] { _run.Balancer.ProcessId }.Concat(_run.Nodes.Select(n => n.Process?.Id)).Append(_run.Database.ProcessId).OfType<int>().Select(ChildProcess.Number));
}
