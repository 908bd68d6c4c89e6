using Indaba.Server.Options;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Indaba.Server.Telemetry;

/// <summary>Log levels follow the settings while running: loggers cache them, and read them anew when the settings change.</summary>
internal sealed class LogLevels : IConfigureOptions<LoggerFilterOptions>, IOptionsChangeTokenSource<LoggerFilterOptions>
{
    // They log by request or by call, in words for their own developers.
    private static readonly string[] Chatty = ["Microsoft", "Orleans", "System", "Polly", "Indaba.Server.Cluster.NodeService"]; // the last logs in Orleans' words

    // At every start: advice about the server GC, which would cost memory here, and a watchdog that takes the machine's uptime for a stall.
    private static readonly string[] Mistaken = ["Orleans.Runtime.Silo", "Orleans.Runtime.Watchdog"];

    private readonly Settings _settings;
    private ConfigurationReloadToken _changed = new();

    public LogLevels(Settings settings)
    {
        _settings = settings;
        settings.Changed += change =>
        {
            if (change.Keys.Any(k => k.Path.StartsWith("logging.", StringComparison.Ordinal))) Interlocked.Exchange(ref _changed, new ConfigurationReloadToken()).OnReload();
        };
    }

    public string Name => Microsoft.Extensions.Options.Options.DefaultName;

    public IChangeToken GetChangeToken() => Volatile.Read(ref _changed);

    public void Configure(LoggerFilterOptions options)
    {
        var logging = _settings.Current.Logging;
        options.MinLevel = logging.Level;
        options.Rules.Clear();
        options.Rules.Add(new LoggerFilterRule(null, null, logging.Level, null)); // goes over a MinLevel that a later AddLogging sets
        var quiet = logging.Level > LogLevel.Warning ? logging.Level : LogLevel.Warning;
        foreach (var category in Chatty) options.Rules.Add(new LoggerFilterRule(null, category, quiet, null));
        foreach (var category in Mistaken) options.Rules.Add(new LoggerFilterRule(null, category, LogLevel.Error, null));
        foreach (var (category, level) in logging.Categories) options.Rules.Add(new LoggerFilterRule(null, category, level, null));
    }
}

/// <summary>How the server logs.</summary>
internal static class LoggingExtensions
{
    /// <summary>One line an event to standard output, at the levels of the settings.</summary>
    public static ILoggingBuilder AddIndaba(this ILoggingBuilder logging, Settings settings)
    {
        logging.ClearProviders();
        logging.Services.TryAddSingleton(TimeProvider.System);
        logging.AddConsole(options => options.FormatterName = LineFormatter.FormatterName);
        logging.AddConsoleFormatter<LineFormatter, ConsoleFormatterOptions>();
        var levels = new LogLevels(settings);
        logging.Services.RemoveAll<IConfigureOptions<LoggerFilterOptions>>(); // appsettings.json has no say here
        logging.Services.AddSingleton<IConfigureOptions<LoggerFilterOptions>>(levels);
        logging.Services.AddSingleton<IOptionsChangeTokenSource<LoggerFilterOptions>>(levels);
        return logging;
    }
}
