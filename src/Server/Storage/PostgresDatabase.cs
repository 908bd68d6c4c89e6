using System.Diagnostics.Metrics;
using Npgsql;

namespace Indaba.Server.Storage;

/// <summary>
/// A PostgreSQL database that many nodes share. Queries and jobs have their own bounded pools of connections, each used by one of
/// them at a time; the log's writers and the side writer have theirs (see Mailbox).
/// </summary>
internal sealed partial class PostgresDatabase : Database
{
    /// <summary>How long to wait at start for a server that is being started, too.</summary>
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);

    private readonly PostgresPool _reads, _jobs;
    private int _disposed;

    private PostgresDatabase(PostgresSettings settings, PostgresConnector connector, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters)
        : base(time, new StorageMetrics(meters))
    {
        (Settings, Connector) = (settings, connector);
        var log = logs.CreateLogger<PostgresDatabase>();
        _reads = new PostgresPool("reads", settings.ReadConnections, () => connector.Open(ConnectionKind.Reads), Metrics, time, log);
        _jobs = new PostgresPool("jobs", settings.JobConnections, () => connector.Open(ConnectionKind.Jobs), Metrics, time, log);
    }

    internal PostgresSettings Settings { get; }

    internal PostgresConnector Connector { get; }

    /// <summary>Connects, and brings the schema up to date.</summary>
    /// <exception cref="StorageException">There is no usable database.</exception>
    public static Task<PostgresDatabase> OpenAsync(PostgresSettings settings, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters, CancellationToken cancel) =>
        Task.Factory.StartNew(() => Open(settings, time, logs, meters, cancel), cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public override Task<T> ReadAsync<TArg, T>(TArg argument, Func<StoreConnection, TArg, T> query, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested) return Task.FromCanceled<T>(cancel);
        var read = new PostgresRead<TArg, T>(_reads, argument, query);
        read.EndWith(cancel);
        _reads.Enqueue(read);
        return read.Task;
    }

    public override Task<T> WriteAsync<T>(Func<StoreConnection, T> job, CancellationToken cancel = default)
    {
        var work = new PostgresJob<T>(_jobs, Connector, job, cancel);
        _jobs.Enqueue(work);
        return work.Task;
    }

    /// <summary>Runs statements that may be run again, on a connection for jobs but in no transaction.</summary>
    internal Task<T> RunAsync<T>(Func<PostgresStoreConnection, T> statements, CancellationToken cancel)
    {
        var work = new PostgresPlain<T>(_jobs, statements);
        work.EndWith(cancel);
        _jobs.Enqueue(work);
        return work.Task;
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _jobs.DisposeAsync();
        await _reads.DisposeAsync();
        Connector.Dispose();
        Metrics.Dispose();
    }

    private static PostgresDatabase Open(PostgresSettings settings, TimeProvider time, ILoggerFactory logs, IMeterFactory? meters, CancellationToken cancel)
    {
        var connector = new PostgresConnector(settings);
        var log = logs.CreateLogger<PostgresDatabase>();
        var started = time.GetTimestamp();
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                using (var connection = new PostgresStoreConnection(connector.Open(ConnectionKind.Side))) PostgresSchema.Update(connection);
                return new PostgresDatabase(settings, connector, time, logs, meters);
            }
            catch (Exception error) when (PostgresFaults.IsOutage(error) && !cancel.IsCancellationRequested && time.GetElapsedTime(started) < StartPatience)
            {
                if (attempt == 0) Waiting(log, connector.Place, error.Message);
                cancel.WaitHandle.WaitOne(Backoff.After(attempt));
            }
            catch (Exception error)
            {
                connector.Dispose();
                cancel.ThrowIfCancellationRequested();
                if (error is NpgsqlException or IOException or TimeoutException or System.Net.Sockets.SocketException)
                    throw new StorageException($"The PostgreSQL database {connector.Place} cannot be used: {(error as PostgresException)?.MessageText ?? error.Message}", error);
                throw;
            }
        }
    }

    [LoggerMessage(755, LogLevel.Warning, "Waiting for the PostgreSQL database {Place}: {Reason}")]
    private static partial void Waiting(ILogger log, string place, string reason);
}
