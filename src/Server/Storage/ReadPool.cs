using System.Collections.Concurrent;

namespace Indaba.Server.Storage;

/// <summary>
/// A few read-only connections. A query runs at once on the caller's thread when that belongs to the pool and a connection
/// is free (handing it to another pool thread would gain nothing); a thread of its own, such as the completion loop, is never used for it.
/// </summary>
internal sealed class ReadPool(Func<SqliteStoreConnection> open) : IAsyncDisposable
{
    /// <summary>Queries at a time. They are short and mostly from memory; more would only share the same cores.</summary>
    private const int Size = 4;

    private readonly SemaphoreSlim _slots = new(Size, Size);
    private readonly ConcurrentStack<SqliteStoreConnection> _idle = new();
    private volatile bool _closed;

    public Task<T> RunAsync<TArg, T>(TArg argument, Func<SqliteStoreConnection, TArg, T> query, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested) return Task.FromCanceled<T>(cancel);
        if (!Thread.CurrentThread.IsThreadPoolThread || !_slots.Wait(0, CancellationToken.None)) return QueueAsync(argument, query, cancel);
        try
        {
            return Task.FromResult(Run(argument, query));
        }
        catch (Exception error)
        {
            return Task.FromException<T>(error);
        }
        finally
        {
            _slots.Release();
        }
    }

    private async Task<T> QueueAsync<TArg, T>(TArg argument, Func<SqliteStoreConnection, TArg, T> query, CancellationToken cancel)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await _slots.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            return Run(argument, query);
        }
        finally
        {
            _slots.Release();
        }
    }

    private T Run<TArg, T>(TArg argument, Func<SqliteStoreConnection, TArg, T> query)
    {
        ObjectDisposedException.ThrowIf(_closed, typeof(SqliteDatabase));
        if (!_idle.TryPop(out var connection)) connection = open();
        try
        {
            connection.Run("BEGIN"); // one snapshot for all statements of the query
            var result = query(connection, argument);
            connection.Run("COMMIT");
            _idle.Push(connection);
            return result;
        }
        catch
        {
            // It may hold an open statement, and with it an old snapshot that would keep the write-ahead log from ending.
            connection.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _closed = true;
        for (var i = 0; i < Size; i++) await _slots.WaitAsync();
        while (_idle.TryPop(out var connection)) connection.Dispose();
        _slots.Release(Size); // those still waiting find it closed
    }
}
