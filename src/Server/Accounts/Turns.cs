namespace Indaba.Server.Accounts;

/// <summary>
/// Runs pieces of work one after another, in the order in which they were handed in, without a thread of its own. A
/// piece's turn ends with its task. Those who hand in are bounded: each of their items is answered before the next ones come.
/// </summary>
internal sealed class Turns
{
    private readonly Queue<Func<ValueTask>> _waiting = new();
    private bool _running;

    /// <summary>Runs a piece now, or after those that came before it. The piece must not throw.</summary>
    public void Take(Func<ValueTask> piece)
    {
        lock (_waiting)
        {
            if (_running)
            {
                _waiting.Enqueue(piece);
                return;
            }
            _running = true;
        }
        Run(piece);
    }

    private void Run(Func<ValueTask>? piece)
    {
        while (piece is not null)
        {
            var task = piece();
            if (!task.IsCompletedSuccessfully)
            {
                _ = ContinueAsync(task);
                return;
            }
            piece = Next();
        }
    }

    private async Task ContinueAsync(ValueTask task)
    {
        await task.ConfigureAwait(false);
        Run(Next());
    }

    private Func<ValueTask>? Next()
    {
        lock (_waiting)
        {
            if (_waiting.TryDequeue(out var next)) return next;
            _running = false;
            return null;
        }
    }
}
