using Microsoft.Data.Sqlite;

namespace Indaba.Server.Storage;

/// <summary>
/// Moves the write-ahead log into the file beside the writer, so that no commit waits for it (SQLite would do it inside a
/// commit: 65 ms). The log can only start anew when all of it is moved and nobody has added to it, so the last few
/// pages are moved by the writer between two batches.
/// </summary>
internal sealed partial class Checkpointer(StoreConnection connection, StorageMetrics metrics, TimeProvider time, ILogger log) : IAsyncDisposable
{
    /// <summary>Pages in the log that make it worth while: 16 MiB.</summary>
    private const int Start = 4096;
    /// <summary>Pages that the writer may move by itself without being noticed.</summary>
    private const int Few = 128;
    private const int Rounds = 4;

    private readonly ILogger _log = log;
    private int _pages;
    private Task _running = Task.CompletedTask;
    private volatile bool _closing;

    /// <summary>True when the writer should call <see cref="Finish"/>.</summary>
    public bool WantsFinish => _finish;
    private volatile bool _finish;

    /// <summary>Told by the writer after each commit.</summary>
    public void Written(int pages)
    {
        _pages += pages;
        if (_pages < Start || _closing || _finish || !_running.IsCompleted) return;
        _pages = 0;
        _running = Task.Run(MoveMost);
    }

    /// <summary>Moves the rest, on the writer thread between two transactions.</summary>
    public void Finish(StoreConnection writer)
    {
        _finish = false;
        var started = time.GetTimestamp();
        try
        {
            Dialect.Checkpoint(writer);
            metrics.Checkpoint(time.GetElapsedTime(started), onWriter: true);
        }
        catch (SqliteException error)
        {
            CheckpointFailed(error);
        }
    }

    private void MoveMost()
    {
        var started = time.GetTimestamp();
        try
        {
            for (var round = 0; round < Rounds; round++)
            {
                var (frames, done) = Dialect.Checkpoint(connection);
                if (frames - done < Few) break;
            }
            _finish = true;
            metrics.Checkpoint(time.GetElapsedTime(started), onWriter: false);
        }
        catch (SqliteException error)
        {
            CheckpointFailed(error);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _closing = true;
        await _running;
        await connection.DisposeAsync();
    }

    [LoggerMessage(120, LogLevel.Warning, "Moving the write-ahead log into the file failed; it is tried again later")]
    private partial void CheckpointFailed(Exception error);
}
