namespace Indaba.Server.Storage;

/// <summary>
/// Something that waits for its commit. It is its own link in the queue, so queueing allocates nothing. Exactly one of
/// <see cref="Committed"/> and <see cref="Failed"/> is called, once, on the completion loop, in the order of the queue.
/// </summary>
internal abstract class WriteItem
{
    internal WriteItem? Next { get; set; }
    /// <summary>When it was queued, in units of the time provider's timestamp.</summary>
    internal long Since { get; set; }
    /// <summary>Why it failed, once it did.</summary>
    internal Exception? Error { get; set; }

    /// <summary>Its weight in a batch.</summary>
    internal abstract int Rows { get; }

    /// <summary>
    /// Writes, on the writer thread inside the batch's transaction. An exception means that this item alone failed and has
    /// undone what it wrote; a fault of the machine (<see cref="SqliteFile.IsFaultOfMachine"/>) fails the batch.
    /// </summary>
    internal abstract void Apply(SqliteStoreConnection connection);

    public abstract void Committed();

    public abstract void Failed(Exception error);
}

/// <summary>What the writer is doing when it asks a <see cref="IBatchPart"/> for its wishes.</summary>
internal enum Moment
{
    /// <summary>Items are waiting for the commit.</summary>
    Busy,
    /// <summary>Nobody waits.</summary>
    Idle,
    /// <summary>Idle, and the last chance to write.</summary>
    Closing,
}

/// <summary>
/// Something that rides along in commits that nobody waits for. All members are called on the writer thread. A commit
/// of parts alone does not wait for the disk.
/// </summary>
internal interface IBatchPart
{
    /// <summary>Whether it wants to write now.</summary>
    bool Wants(Moment moment);

    /// <summary>Writes, when <see cref="Wants"/> said so. An exception undoes this part only.</summary>
    void Write(SqliteStoreConnection connection, Moment moment);

    /// <summary>The batch is committed, before anybody's completion is called. Called for every batch.</summary>
    void Committed();

    /// <summary>The batch, or what this part wrote in it, was undone.</summary>
    void RolledBack();
}

/// <summary>A job of <see cref="Database.WriteAsync"/>, in a savepoint of its own.</summary>
internal sealed class WriteJob<T>(Func<SqliteStoreConnection, T> job, CancellationToken cancel) : WriteItem
{
    private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? _result;

    public Task<T> Task => _done.Task;

    internal override int Rows => 8;

    internal override void Apply(SqliteStoreConnection connection)
    {
        cancel.ThrowIfCancellationRequested();
        connection.Run("SAVEPOINT job");
        try
        {
            _result = job(connection);
            connection.Run("RELEASE job");
        }
        catch (Exception)
        {
            if (SqliteFile.InTransaction(connection))
            {
                connection.Run("ROLLBACK TO job");
                connection.Run("RELEASE job");
            }
            throw;
        }
    }

    public override void Committed() => _done.TrySetResult(_result!);

    public override void Failed(Exception error)
    {
        if (error is OperationCanceledException && cancel.IsCancellationRequested) _done.TrySetCanceled(cancel);
        else _done.TrySetException(error);
    }
}
