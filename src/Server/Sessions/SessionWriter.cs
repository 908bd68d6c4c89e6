using Indaba.Server.Gateway;

namespace Indaba.Server.Sessions;

/// <summary>
/// Writes what waits in the outbox to one connection: one turn takes all there is, and flushes once. Made anew for each
/// connection of a session, so an old one that hangs cannot disturb the new. Works under the session's lock.
/// </summary>
internal sealed class SessionWriter(Session session, Backlog backlog, Lock @lock, Outbox outbox, IXmlChannel channel)
{
    private bool _writing = true; // until Start: the answer to binding or resumption goes first
    private bool _stopped;
    private TaskCompletionSource? _idle;

    /// <summary>The connection.</summary>
    public IXmlChannel Channel => channel;

    /// <summary>Begins, after what was written to the channel before. Call without the lock.</summary>
    public void Start() => _ = WriteAsync(flushFirst: true);

    /// <summary>Writes what waits, unless that is under way. Call without the lock.</summary>
    public void Kick()
    {
        lock (@lock)
        {
            if (_writing || _stopped || outbox.Waiting == 0) return;
            _writing = true;
        }
        _ = WriteAsync(flushFirst: false);
    }

    /// <summary>Nothing more is taken from the outbox for this connection. Under the lock. The task completes when the last turn has ended.</summary>
    public Task Stop()
    {
        _stopped = true;
        return _writing ? IdleTask() : Task.CompletedTask;
    }

    /// <summary>Completes when no turn is under way or little waits. Under the lock.</summary>
    public Task DrainedAsync(long bytes) => _writing && outbox.WaitingBytes >= bytes ? IdleTask() : Task.CompletedTask;

    private Task IdleTask() => (_idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    private async Task WriteAsync(bool flushFirst)
    {
        try
        {
            if (flushFirst) await channel.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            while (true)
            {
                lock (@lock)
                {
                    if (_stopped || !outbox.WriteTo(channel))
                    {
                        End();
                        return;
                    }
                    session.Acks.AskIfDue(channel);
                }
                await channel.FlushAsync(CancellationToken.None).ConfigureAwait(false);
                backlog.Continue();
            }
        }
        catch (Exception)
        {
            channel.Abort(); // the reader sees the end and detaches
            lock (@lock)
            {
                _stopped = true;
                End();
            }
        }
    }

    private void End()
    {
        _writing = false;
        _idle?.TrySetResult();
        _idle = null;
    }
}
