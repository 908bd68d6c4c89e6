using Indaba.Server.Options;
using Indaba.Server.Telemetry;
using Indaba.Server.Tests.Options;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Indaba.Server.Tests.Telemetry;

public sealed class LoggingTests
{
    [Fact]
    public void Levels_follow_the_settings_while_running()
    {
        using var folder = new Folder();
        var source = new SettingsSource(null, folder.Write("i.json", "{}"), new Dictionary<string, string>());
        var settings = new Settings(source, source.Load());
        using var services = new ServiceCollection().AddLogging(l => l.AddIndaba(settings)).AddLogging().BuildServiceProvider();
        var logs = services.GetRequiredService<ILoggerFactory>();
        var (own, gateway, orleans) = (logs.CreateLogger("Indaba.Server.Node"), logs.CreateLogger("Indaba.Server.Gateway.TcpHandler"), logs.CreateLogger("Orleans.Runtime.Catalog"));
        (bool, bool, bool) Enabled(LogLevel level) => (own.IsEnabled(level), gateway.IsEnabled(level), orleans.IsEnabled(level));
        Assert.Equal((true, true, false), Enabled(LogLevel.Information));
        Assert.Equal((true, true, true), Enabled(LogLevel.Warning));
        folder.Write("i.json", """{ "logging": { "level": "warning", "categories": { "Indaba.Server.Gateway": "debug", "Orleans": "error" } } }""");
        settings.Reload();
        Assert.Equal((false, true, false), Enabled(LogLevel.Debug));
        Assert.Equal((true, true, false), Enabled(LogLevel.Warning));
        folder.Write("i.json", """{ "logging": { "level": "error" } }""");
        settings.Reload();
        Assert.Equal((false, false, false), Enabled(LogLevel.Warning));
    }

    [Fact]
    public void One_event_is_one_line_whatever_it_holds()
    {
        var clock = new Clock { Now = new DateTimeOffset(2026, 11, 23, 18, 58, 41, 123, TimeSpan.Zero) };
        using var writer = new StringWriter();
        var entry = new LogEntry<string>(LogLevel.Warning, "Indaba.Server.Streams.Login", default, "name 'x\r\n2026 error Faked: line\u001b[2J'", new InvalidOperationException("a\nb"), static (s, _) => s);
        new LineFormatter(clock).Write(entry, null, writer);
        Assert.Equal("2026-11-23T18:58:41.123Z warn  Login: name 'x 2026 error Faked: line [2J' | System.InvalidOperationException: a b\n", writer.ToString());
    }
}
