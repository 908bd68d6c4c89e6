using System.Runtime.InteropServices;
using Indaba.Server.Gateway;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Indaba.Server.Options;

/// <summary>Reloads settings and certificate when a file changes (seen within <see cref="Period"/>) and on SIGHUP.</summary>
internal sealed partial class SettingsWatch(Settings settings, Certificates certificates, TimeProvider time, ILogger<SettingsWatch> log) : BackgroundService
{
    /// <summary>How often the files are looked at: three calls of stat.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _hangup = new(0);
    private FileStamp _stamp = Stamp(settings); // now, not when the loop begins to run: a change between the two must be seen

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var signal = OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true; // the default would end the process
            _hangup.Release();
        });
        using var timer = new PeriodicTimer(Period, time);
        var tick = timer.WaitForNextTickAsync(stoppingToken).AsTask();
        var hangup = _hangup.WaitAsync(stoppingToken);
        try
        {
            while (true)
            {
                var woken = await Task.WhenAny(tick, hangup).ConfigureAwait(false);
                await woken.ConfigureAwait(false);
                if (woken == hangup)
                {
                    LogHangup(log);
                    hangup = _hangup.WaitAsync(stoppingToken);
                    settings.Reload(log);
                    certificates.Reload(force: true);
                }
                else
                {
                    tick = timer.WaitForNextTickAsync(stoppingToken).AsTask();
                    var now = Stamp(settings);
                    if (now != _stamp) settings.Reload(log);
                    _stamp = now;
                    certificates.Reload();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // stopping
        }
    }

    public override void Dispose()
    {
        _hangup.Dispose();
        base.Dispose();
    }

    private static FileStamp Stamp(Settings settings) => settings.File is { } file ? FileStamp.Of(file) : default;

    [LoggerMessage(1010, LogLevel.Information, "SIGHUP: reading settings and certificate again")]
    private static partial void LogHangup(ILogger log);
}
