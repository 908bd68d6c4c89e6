using Microsoft.Data.Sqlite;

namespace Indaba.Server.Storage;

/// <summary>
/// Moves the write-ahead log into the file beside the writer, so that no commit waits for it (SQLite would do it inside a
/// commit). The log can only start anew when all of it is moved and nobody has added to it, so the last few pages are
/// moved by the writer between two batches.
/// </summary>
internal sealed partial class Checkpointer(SqliteStoreConnection connection, StorageMetrics metrics, TimeProvider time, ILogger log) : IAsyncDisposable
{
    /// <summary>
    /// Pages in the log that make it worth while: 64 MiB. A quarter of that cost twice the p99 at full load, for pages that
    /// are written again and again are moved once; more would make a start after a crash slower.
    /// </summary>
    private const int Start = 16_384;
    /// <summary>Pages that the writer may move by itself without being noticed.</summary>
    private const int Few = 128;
    /// <summary>Each round moves what was written during the one before; under full load it takes three or four to come down to a few.</summary>
    private const int Rounds = 6;

    private readonly ILogger _log = log;
    private int _pages;
    private Task _running = Task.CompletedTask;
    private volatile bool _closing, _finish;

    /// <summary>True when the writer should call <see cref="Finish"/>.</summary>
    public bool WantsFinish => _finish;

    /// <summary>Told by the writer after each commit.</summary>
    public void Written(int pages)
    {
        _pages += pages;
        if (_pages < Start || _closing || _finish || !_running.IsCompleted) return;
        _pages = 0;
        _running = Task.Run(MoveMost);
    }

    /// <summary>Moves the rest, on the writer thread between two transactions.</summary>
    public void Finish(SqliteStoreConnection writer)
    {
        _finish = false;
        var started = time.GetTimestamp();
        try
        {
            SqliteFile.Checkpoint(writer);
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
            var before = 0;
            for (var round = 0; round < Rounds && !_closing; round++)
            {
                var (_, done) = SqliteFile.Checkpoint(connection);
                if (round > 0 && done - before < Few) break; // or a reader's snapshot holds it
                before = done;
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
        connection.Dispose();
    }

    [LoggerMessage(720, LogLevel.Warning, "Moving the write-ahead log into the file failed; it is tried again later")]
    private partial void CheckpointFailed(Exception error);
}
