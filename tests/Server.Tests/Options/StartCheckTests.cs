using System.Net;
using System.Net.Sockets;
using Indaba.Server.Options;
using Xunit;

namespace Indaba.Server.Tests.Options;

public sealed class StartCheckTests : IDisposable
{
    private readonly Folder _folder = new();

    public void Dispose() => _folder.Dispose();

    private ServerOptions Options(string data = "data", int c2s = 0) => new()
    {
        DataDirectory = _folder.File(data), Bind = ["127.0.0.1"], C2s = new() { Port = new(c2s) }, Tls = new() { Port = ListenPort.Off },
        Http = new() { Port = ListenPort.Off }, Https = new() { Port = ListenPort.Off },
    };

    [Fact]
    public void The_data_folder_is_made_for_the_owner_only_and_nothing_else()
    {
        Assert.Empty(StartCheck.Check(Options(), TimeProvider.System));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.File("data")));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder.File("data")));
    }

    [Fact]
    public void A_taken_port_is_named_with_its_setting()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        Assert.Equal([$"port {port} of 127.0.0.1 ('c2s.port') cannot be used: another program has it"], StartCheck.Check(Options(c2s: port), TimeProvider.System));
    }

    [Fact]
    public void An_address_of_another_machine_is_no_place_to_listen() => Assert.Equal(
        ["port 0 of 192.0.2.1 ('c2s.port') cannot be used: this machine does not have that address"], StartCheck.Check(Options() with { Bind = ["192.0.2.1"] }, TimeProvider.System));

    [Fact]
    public void A_folder_that_cannot_be_is_said()
    {
        _folder.Write("file", "");
        Assert.StartsWith($"the data folder {_folder.File("file")} cannot be written: ", Assert.Single(StartCheck.Check(Options("file"), TimeProvider.System)), StringComparison.Ordinal);
        Assert.Contains("has too long a path", Assert.Single(StartCheck.Check(Options(new string('x', 120)), TimeProvider.System)), StringComparison.Ordinal);
    }

    [Fact]
    public void All_that_is_wrong_is_told_at_once()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var options = Options(c2s: ((IPEndPoint)taken.LocalEndpoint).Port) with { Certificate = new() { Path = _folder.File("no.pem") } };
        Assert.Equal(2, StartCheck.Check(options, TimeProvider.System).Count);
    }

    [Fact]
    public void Listeners_take_the_addresses_that_are_meant()
    {
        Assert.Empty(Listeners.EndPoints(["*"], ListenPort.Off));
        Assert.Equal([new IPEndPoint(IPAddress.Loopback, 0)], Listeners.EndPoints(["localhost"], new(0)));
        Assert.Equal([new IPEndPoint(IPAddress.Loopback, 80)], Listeners.EndPoints(["127.0.0.1", "127.0.0.1"], new(80)));
        Assert.Contains(Assert.Single(Listeners.EndPoints(["*"], new(80))).Address, (IPAddress[])[IPAddress.IPv6Any, IPAddress.Any]);
    }
}
