using System.Text.Json.Serialization;
using Indaba.Server.Cluster;
using Indaba.Server.Storage;

namespace Indaba.Server.Telemetry;

/// <summary>One thing that health hangs on.</summary>
/// <param name="AgeSeconds">How old the answer is, where it is asked for now and then.</param>
internal sealed record HealthCheck(string Name, bool Ok, string Says, double? AgeSeconds = null);

/// <summary>Health with its reasons.</summary>
internal sealed record HealthReport(bool Ready, string? Fault, IReadOnlyList<HealthCheck> Checks);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(HealthReport))]
internal sealed partial class HealthJson : JsonSerializerContext;

/// <summary>
/// What a balancer or an operator asks: does the process live, and should it get new connections. The database is asked
/// once a second beside all requests; a request looks at the last answer and its age, so many of them cost nothing and none
/// hangs when the database does.
/// </summary>
internal sealed class Health(Database database, Lifecycle lifecycle) : IAsyncDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);
    /// <summary>Age of the last good answer from which the database counts as gone: a long checkpoint or a failover of two seconds is no reason to move everybody.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _loop = Task.CompletedTask;
    private long _good;
    private volatile bool _everGood, _failed;

    /// <summary>Why the server should get no new connections, or null. Costs nothing.</summary>
    public string? Fault => lifecycle.State != NodeState.Serving ? State : DatabaseAnswers ? null : "database";

    /// <summary>True while the database answers.</summary>
    public bool DatabaseAnswers => _everGood && !_failed && Age <= Patience;

    /// <summary>Begins to ask the database, and waits for its first answer, but not for long.</summary>
    public async Task StartAsync()
    {
        _loop = Task.Run(LoopAsync);
        await _asked.Task.WaitAsync(Patience, database.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>All reasons. It says nothing that strangers should not know.</summary>
    public HealthReport Report() => new(Fault is null, Fault,
    [
        new HealthCheck("accepting", lifecycle.State == NodeState.Serving, State),
        new HealthCheck("database", DatabaseAnswers, _failed ? "refuses" : !_everGood || Age > Patience ? "is silent" : "answers", _everGood ? Math.Round(Age.TotalSeconds, 1) : null),
    ]);

    /// <summary><c>/health</c> and <c>/health/ready</c>: 200 "ready" or 503 with the reason, all reasons as JSON with <c>?verbose</c>. <c>/health/live</c>: 200 while the process answers.</summary>
    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/health/live", static () => Results.Text("live"));
        foreach (var path in new[] { "/health", "/health/ready" })
        {
            app.MapGet(path, (HttpContext http) =>
            {
                http.Response.Headers.CacheControl = "no-store";
                var report = Report();
                var status = report.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
                return http.Request.Query.ContainsKey("verbose") ? Results.Json(report, HealthJson.Default.HealthReport, statusCode: status) : Results.Text(report.Fault ?? "ready", statusCode: status);
            });
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
    }

    private string State => lifecycle.State.ToString().ToLowerInvariant();

    private TimeSpan Age => database.Time.GetElapsedTime(Volatile.Read(ref _good));

    private async Task LoopAsync()
    {
        using var timer = new PeriodicTimer(Period, database.Time);
        try
        {
            do
            {
                var began = database.Time.GetTimestamp();
                try
                {
                    await database.ReadAsync(static connection => connection.Number("SELECT version FROM setting_version WHERE id = 1"), _stop.Token).WaitAsync(_stop.Token).ConfigureAwait(false);
                    Volatile.Write(ref _good, began);
                    _everGood = true;
                    _failed = false;
                }
                catch (Exception error) when (error is not OperationCanceledException || !_stop.IsCancellationRequested)
                {
                    _failed = true;
                }
                _asked.TrySetResult();
            }
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException) { /* stopping */ }
    }
}
