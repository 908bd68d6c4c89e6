using Microsoft.Extensions.Logging;
using Xunit;

namespace Indaba.Server.Tests.Storage;

/// <summary>Writes what storage logs into the output of the test that runs, for the day it fails.</summary>
internal sealed class TestLog : ILoggerProvider, ILogger
{
    public static readonly ILoggerFactory Factory = LoggerFactory.Create(logging => logging.AddProvider(new TestLog()));

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"{logLevel} {formatter(state, exception)} {exception}");
        }
        catch (InvalidOperationException)
        {
            // the test is over
        }
    }

    public void Dispose() { }
}
