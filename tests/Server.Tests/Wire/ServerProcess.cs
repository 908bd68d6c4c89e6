using System.Diagnostics;
using System.Globalization;

namespace Indaba.Server.Tests.Wire;

/// <summary>
/// The server under test: the binary as it is shipped. All that tests know of its command line stands in this file.
/// </summary>
internal sealed class ServerProcess : TestServer
{
    /// <summary>Further arguments of <c>indaba run</c>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>The built server. The environment variable XMPP_TEST_SERVER names another.</summary>
    public static string Binary { get; } = Environment.GetEnvironmentVariable("XMPP_TEST_SERVER") ?? FindBinary();

    /// <inheritdoc/>
    public override Uri WebSocketUrl => new($"ws://127.0.0.1:{HttpPort}/xmpp-websocket");

    /// <summary>Starts a server on an empty folder.</summary>
    public static async Task<ServerProcess> StartNew(params IReadOnlyList<string> arguments)
    {
        var server = new ServerProcess { Arguments = arguments };
        try
        {
            await server.Start();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public override Task AddAccounts(IReadOnlyCollection<string> names) =>
        Command(string.Concat(names.Select(n => $"{n} {Password}\n")), "user", "add", "--stdin");

    /// <summary>Runs a command of the server's against this one and returns what it printed.</summary>
    public Task<string> Command(params IReadOnlyList<string> arguments) => Command(null, arguments);

    /// <inheritdoc/>
    protected override ProcessStartInfo StartInfo() => Indaba([
        "run", "--data", Folder, "--domain", Domain, "--c2s", Number(C2sPort), "--tls", Number(TlsPort), "--http", Number(HttpPort), "--https", "off", "--bind", "127.0.0.1", .. Arguments]);

    private Task<string> Command(string? input, params IReadOnlyList<string> arguments) => Run(Indaba([.. arguments, "--data", Folder]), input);

    private static ProcessStartInfo Indaba(IEnumerable<string> arguments) => Binary.EndsWith(".dll", StringComparison.Ordinal)
        ? new ProcessStartInfo(Environment.ProcessPath is { } p && Path.GetFileNameWithoutExtension(p) == "dotnet" ? p : "dotnet", [Binary, .. arguments])
        : new ProcessStartInfo(Binary, arguments);

    private static string Number(int port) => port.ToString(CultureInfo.InvariantCulture);

    private static string FindBinary()
    {
        var beside = Path.Combine(AppContext.BaseDirectory, "indaba");
        if (File.Exists(beside)) return beside;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "Indaba.slnx"))) continue;
            var built = new[] { "Release", "Debug" }.Select(c => new FileInfo(Path.Combine(folder.FullName, "src", "Server", "bin", c, "net10.0", "indaba"))).Where(f => f.Exists).MaxBy(f => f.LastWriteTimeUtc);
            if (built is not null) return built.FullName;
        }
        throw new FileNotFoundException("The server is not built: dotnet build src/Server");
    }
}
