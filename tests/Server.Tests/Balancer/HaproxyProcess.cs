using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Indaba.Server.Tests.Wire;
using Xunit;

namespace Indaba.Server.Tests.Balancer;

/// <summary>A node as the balancer reaches it.</summary>
internal sealed record BalancedNode(string Name, int C2s, int Tls, int Http, int Https, int Agent);

/// <summary>
/// The real HAProxy on the configuration that we ship, with the nodes' lines written by the rule at its top. Clients
/// connect to it as to a server: its ports are those of <see cref="TestServer"/>.
/// </summary>
internal sealed class HaproxyProcess : TestServer
{
    private readonly int _stats = FreePorts(1)[0];
    private readonly string _shipped;
    private readonly string? _certificate;

    private HaproxyProcess(string shipped, string? certificate) => (_shipped, _certificate) = (shipped, certificate);

    private string AdminSocket => Path.Combine(Folder, "a.sock");
    private string ConfigFile => Path.Combine(Folder, "haproxy.cfg");

    /// <inheritdoc/>
    public override Uri WebSocketUrl => new($"{(_certificate is null ? "ws" : "wss")}://127.0.0.1:{HttpPort}/xmpp-websocket");

    /// <summary>Starts it with a file of deploy/ and waits until it takes every node for up.</summary>
    /// <param name="certificate">A PEM file with key and certificate, for haproxy-tls.cfg.</param>
    public static async Task<HaproxyProcess> StartNew(string shipped, IReadOnlyList<BalancedNode> nodes, string? certificate = null)
    {
        if (!Installed())
        {
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", "haproxy is not installed, and CI needs it");
            Assert.Skip("haproxy is not installed");
        }
        var haproxy = new HaproxyProcess(shipped, certificate);
        try
        {
            await File.WriteAllTextAsync(haproxy.ConfigFile, Generate(await File.ReadAllTextAsync(Deploy(shipped)), nodes));
            await haproxy.Start();
            foreach (var node in nodes) await haproxy.Until("xmpp", node.Name, row => row["status"] == "UP" && row["agent_status"] == "L7OK");
            return haproxy;
        }
        catch
        {
            await haproxy.DisposeAsync();
            throw;
        }
    }

    /// <summary>A shipped file.</summary>
    public static string Deploy(string name)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var file = Path.Combine(folder.FullName, "deploy", name);
            if (File.Exists(file)) return file;
        }
        throw new FileNotFoundException($"deploy/{name} is in no folder above the tests");
    }

    /// <summary>The rule at the top of the file: no example servers, and for each pattern one line a node.</summary>
    public static string Generate(string shipped, IReadOnlyList<BalancedNode> nodes)
    {
        const string mark = "# node: ";
        var lines = new StringBuilder();
        foreach (var line in shipped.Split('\n'))
        {
            var text = line.Trim();
            if (text.StartsWith("server ", StringComparison.Ordinal)) continue;
            if (!text.StartsWith(mark, StringComparison.Ordinal) || text.Contains("...", StringComparison.Ordinal))
            {
                lines.Append(line).Append('\n');
                continue;
            }
            foreach (var node in nodes) lines.Append("    ").Append(Fill(text[mark.Length..], node)).Append('\n');
        }
        return lines.ToString();
    }

    private static string Fill(string pattern, BalancedNode node) => pattern
        .Replace("NAME", node.Name, StringComparison.Ordinal).Replace("ADDRESS", "127.0.0.1", StringComparison.Ordinal)
        .Replace("C2S", Number(node.C2s), StringComparison.Ordinal).Replace("HTTPS", Number(node.Https), StringComparison.Ordinal)
        .Replace("HTTP", Number(node.Http), StringComparison.Ordinal).Replace("TLS", Number(node.Tls), StringComparison.Ordinal)
        .Replace("AGENT", Number(node.Agent), StringComparison.Ordinal);

    private static bool Installed() => File.Exists("/usr/sbin/haproxy");

    /// <summary>One server's row of HAProxy's table, by the names of its columns.</summary>
    public async Task<IReadOnlyDictionary<string, string>> Row(string backend, string server)
    {
        var rows = (await Ask("show stat")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var names = rows[0].TrimStart('#', ' ').Split(',');
        var values = rows.Select(r => r.Split(',')).Single(r => r[0] == backend && r[1] == server);
        return names.Zip(values).Where(p => p.First.Length > 0).ToDictionary(p => p.First, p => p.Second);
    }

    /// <summary>Looks until a server's row is as wanted; returns how long that took.</summary>
    public async Task<TimeSpan> Until(string backend, string server, Func<IReadOnlyDictionary<string, string>, bool> wanted)
    {
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            var row = await Row(backend, server);
            if (wanted(row)) return Stopwatch.GetElapsedTime(since);
            if (Stopwatch.GetElapsedTime(since) > WireClient.Limit) throw new WireException($"{backend}/{server} is {row["status"]}, weight {row["weight"]}, check {row["check_status"]}, agent {row["agent_status"]} {row["last_agt"]}\n{Output}");
            await Task.Yield();
        }
    }

    /// <summary>A command on its socket.</summary>
    private async Task<string> Ask(string command)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var limit = new CancellationTokenSource(WireClient.Limit);
        while (true)
        {
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(AdminSocket), limit.Token);
                break;
            }
            catch (SocketException) when (Process is { HasExited: false })
            {
                limit.Token.ThrowIfCancellationRequested(); // it has not made it yet
            }
        }
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(command + "\n"), limit.Token);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(limit.Token);
    }

    /// <inheritdoc/>
    public override Task AddAccounts(IReadOnlyCollection<string> names) => throw new NotSupportedException("the nodes have the accounts");

    /// <inheritdoc/>
    protected override bool IsReady(string line) => line.StartsWith("Using ", StringComparison.Ordinal); // its poller: the configuration is good; Ask waits for the rest

    /// <inheritdoc/>
    protected override ProcessStartInfo StartInfo()
    {
        // One process in the foreground, so that killing it leaves nothing behind.
        var start = new ProcessStartInfo("/usr/sbin/haproxy", ["-db", "-V", "-f", ConfigFile]);
        foreach (var (name, value) in new (string, string)[]
        {
            ("BIND_XMPP", Local(C2sPort)), ("BIND_XMPPS", Local(TlsPort)), ("BIND_STATS", Local(_stats)), ("ADMIN_SOCKET", AdminSocket), ("MAXCONN", "1000"),
            (_certificate is null ? "BIND_HTTP" : "BIND_HTTPS", Local(HttpPort)),
        }) start.Environment[name] = value;
        if (_certificate is null) start.Environment["BIND_HTTPS"] = Local(FreePorts(1)[0]);
        else start.Environment["CERTIFICATE"] = _certificate;
        return start;
    }

    private static string Local(int port) => "127.0.0.1:" + Number(port);

    private static string Number(int port) => port.ToString(CultureInfo.InvariantCulture);
}
