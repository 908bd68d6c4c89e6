using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Indaba.Server.Telemetry;

/// <summary>
/// One event, one line: <c>2026-11-23T18:58:41.123Z warn  Settings: the text</c>. Under systemd the journal has time and
/// level, so the line begins with its priority (sd-daemon(3)) instead. Control characters become spaces: what a client
/// sent can never look like a line of its own.
/// </summary>
internal sealed class LineFormatter(TimeProvider time) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "line";
    private static readonly bool Journal = Environment.GetEnvironmentVariable("JOURNAL_STREAM") is { Length: > 0 };

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        if (Journal)
        {
            textWriter.Write(Priority(logEntry.LogLevel));
        }
        else
        {
            textWriter.Write(time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z' ", CultureInfo.InvariantCulture));
            textWriter.Write(Word(logEntry.LogLevel));
        }
        textWriter.Write(logEntry.Category.AsSpan(logEntry.Category.LastIndexOf('.') + 1));
        textWriter.Write(": ");
        WriteFlat(textWriter, logEntry.Formatter(logEntry.State, logEntry.Exception));
        if (logEntry.Exception is { } error)
        {
            textWriter.Write(" | ");
            WriteFlat(textWriter, error.ToString());
        }
        textWriter.Write('\n');
    }

    private static void WriteFlat(TextWriter writer, string text)
    {
        var rest = text.AsSpan();
        while (rest.Length > 0)
        {
            var end = 0;
            while (end < rest.Length && !char.IsControl(rest[end])) end++;
            writer.Write(rest[..end]);
            if (end == rest.Length) return;
            writer.Write(' ');
            rest = rest[(end + 1)..].TrimStart();
        }
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace ",
        LogLevel.Debug => "debug ",
        LogLevel.Information => "info  ",
        LogLevel.Warning => "warn  ",
        LogLevel.Error => "error ",
        _ => "fatal ",
    };

    private static string Priority(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "<7>",
        LogLevel.Information => "<6>",
        LogLevel.Warning => "<4>",
        LogLevel.Error => "<3>",
        _ => "<2>",
    };
}
