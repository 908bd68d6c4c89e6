using System.Runtime.InteropServices;
using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// Writes cursors and resumptions to PostgreSQL, on a thread and a connection of its own beside the writers of the log: they are
/// promised to nobody, so no append waits for them.
/// </summary>
#pragma warning disable CA1001 // the thread disposes its connection at its end
internal sealed partial class SideWriter(PostgresDatabase database, Cursors cursors, Resumptions resumptions, ILogger log)
#pragma warning restore CA1001
{
    /// <summary>Rows in a statement: it should not hold its locks for long.</summary>
    private const int MaxRows = 2048;
    private static readonly TimeSpan ClosePatience = TimeSpan.FromSeconds(2);

    private readonly ILogger _log = log;
    private readonly Signal _wake = new();
    private readonly object _pausing = new();
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private List<TaskCompletionSource> _asked = [];
    private SideStatements? _statements;
    private bool _hadOne, _sealed;
    private long _closingSince;
    private volatile bool _closing;

    public void Start() => new Thread(Run) { Name = "indaba-side", IsBackground = true }.Start();

    /// <summary>Something is due.</summary>
    public void Wake() => _wake.Set();

    /// <summary>Completes when all that was moved and noted before is on disk.</summary>
    public Task FlushAsync()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_sealed) return Task.FromException(new ObjectDisposedException(nameof(MailboxLog)));
            _asked.Add(done);
        }
        _wake.Set();
        return done.Task;
    }

    /// <summary>Ends after all that it knows of is written, or cannot be.</summary>
    public Task CloseAsync()
    {
        _closingSince = database.Time.GetTimestamp();
        _closing = true;
        lock (_pausing) Monitor.PulseAll(_pausing);
        _wake.Set();
        return _ended.Task;
    }

    private void Run()
    {
        while (true)
        {
            List<TaskCompletionSource> asked;
            bool last;
            lock (_gate)
            {
                (asked, _asked) = (_asked, []);
                last = _sealed = _closing;
            }
            var all = last || asked.Count > 0;
            var error = Write(all);
            foreach (var done in asked)
            {
                if (error is null) done.TrySetResult();
                else done.TrySetException(error);
            }
            if (last) break;
            if (!Ready) _wake.Wait();
        }
        Drop();
        _ended.SetResult();
    }

    private bool Ready => _closing || cursors.Due && cursors.Any || resumptions.Due && resumptions.Any;

    /// <summary>Writes what is due, or all, through outages; returns why it gave up.</summary>
    private Exception? Write(bool all)
    {
        for (var attempt = 0; ;)
        {
            try
            {
                while ((all || cursors.Due) && cursors.Any) WriteCursors(all);
                if ((all || resumptions.Due) && resumptions.Any) WriteResumptions();
                if (attempt > 0) Back(attempt);
                return null;
            }
            catch (Exception error)
            {
                if (attempt == 0) Away(error);
                Drop();
                if (!Pause(Backoff.After(attempt++))) return error;
            }
        }
    }

    private void WriteCursors(bool all)
    {
        var moves = new List<MovedCursor>();
        foreach (var (account, moved) in cursors.Take(all, MaxRows))
            foreach (var move in moved) moves.Add(new MovedCursor(account, move));
        try
        {
            if (moves.Count > 0) Divide(CollectionsMarshal.AsSpan(moves), static (statements, part) => statements.Commit(part));
        }
        catch
        {
            cursors.Undone();
            throw;
        }
        cursors.Written();
    }

    private void WriteResumptions()
    {
        var sessions = resumptions.Take().ToArray();
        try
        {
            if (sessions.Length > 0) Divide<KeyValuePair<string, Resumptions.Noted>>(sessions, static (statements, part) => statements.Commit(part));
        }
        catch
        {
            resumptions.Undone();
            throw;
        }
        resumptions.Written();
    }

    private delegate void Committing<T>(SideStatements statements, ReadOnlySpan<T> part);

    /// <summary>Writes rows; those that PostgreSQL refuses are found by halving, and forgotten.</summary>
    private void Divide<T>(ReadOnlySpan<T> rows, Committing<T> commit)
    {
        try
        {
            commit(Open(), rows);
        }
        catch (Exception error) when (PostgresFaults.IsRefusal(error))
        {
            if (error is not Npgsql.PostgresException) Drop(); // it could not even be sent: half of it may be on its way
            if (rows.Length == 1)
            {
                RowRefused(error);
                return;
            }
            Divide(rows[..(rows.Length / 2)], commit);
            Divide(rows[(rows.Length / 2)..], commit);
        }
    }

    private SideStatements Open()
    {
        if (_statements is { IsOpen: true }) return _statements;
        Drop();
        _statements = new SideStatements(database.Connector.Open(ConnectionKind.Side));
        if (_hadOne) database.Metrics.Reconnected();
        _hadOne = true;
        return _statements;
    }

    private void Drop()
    {
        try
        {
            _statements?.Dispose();
        }
        catch (Exception error) when (PostgresFaults.IsOutage(error) || error is InvalidOperationException)
        {
            // it was broken
        }
        _statements = null;
    }

    private bool Pause(TimeSpan pause)
    {
        var began = database.Time.GetTimestamp();
        lock (_pausing)
        {
            while (database.Time.GetElapsedTime(began) is var passed && passed < pause)
            {
                if (_closing && database.Time.GetElapsedTime(_closingSince) > ClosePatience) return false;
                Monitor.Wait(_pausing, _closing ? TimeSpan.FromMilliseconds(20) : pause - passed);
            }
        }
        return true;
    }

    [LoggerMessage(765, LogLevel.Warning, "Cursors cannot be written; they wait, and after a crash some messages would be sent again")]
    private partial void Away(Exception error);

    [LoggerMessage(766, LogLevel.Information, "Cursors are written again, after {Attempts} attempts")]
    private partial void Back(int attempts);

    [LoggerMessage(767, LogLevel.Error, "PostgreSQL refuses a cursor or a resumption; it is forgotten")]
    private partial void RowRefused(Exception error);
}
