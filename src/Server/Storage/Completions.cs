namespace Indaba.Server.Storage;

/// <summary>The one loop that tells items their end, in order and each guarded: one that throws must not take the others' news.</summary>
internal sealed partial class Completions(ILogger log)
{
    private readonly ILogger _log = log;
    private readonly Lock _gate = new();
    private readonly Signal _wake = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WriteItem? _first, _last;
    private int _length;
    private volatile bool _closing;

    /// <summary>Called after the completions of each batch.</summary>
    public Action? BatchCompleted { get; set; }

    /// <summary>Items whose end is not told yet.</summary>
    public int Length => Volatile.Read(ref _length);

    public Task Ended => _ended.Task;

    public void Start() => new Thread(Run) { Name = "indaba-commits", IsBackground = true }.Start();

    /// <summary>Counts an item that is on its way.</summary>
    public void Expect() => Interlocked.Increment(ref _length);

    /// <summary>Takes over a chain of items whose <see cref="WriteItem.Error"/> says how they ended.</summary>
    public void Add(WriteItem first)
    {
        var last = first;
        while (last.Next is { } next) last = next;
        lock (_gate)
        {
            if (_last is null) _first = first;
            else _last.Next = first;
            _last = last;
        }
        _wake.Set();
    }

    /// <summary>Fails an item that came after the end, when there is no loop any more.</summary>
    public void Reject(WriteItem item, Exception error)
    {
        item.Next = null;
        item.Error = error;
        ThreadPool.UnsafeQueueUserWorkItem(static state => { state.Item2.Tell(state.Item1); Interlocked.Decrement(ref state.Item2._length); }, (item, this), false);
    }

    /// <summary>Ends the loop after what was added.</summary>
    public void Close()
    {
        _closing = true;
        _wake.Set();
    }

    private void Run()
    {
        while (true)
        {
            var closing = _closing; // before looking, so that nothing added before Close is missed
            WriteItem? item;
            lock (_gate) (item, _first, _last) = (_first, null, null);
            if (item is null)
            {
                if (closing) break;
                _wake.Wait();
                continue;
            }
            var told = 0;
            for (; item is not null; told++)
            {
                var next = item.Next;
                item.Next = null;
                Tell(item);
                item = next;
            }
            Interlocked.Add(ref _length, -told);
            Flush();
        }
        _ended.SetResult();
    }

    private void Tell(WriteItem item)
    {
        try
        {
            if (item.Error is null) item.Committed();
            else item.Failed(item.Error);
        }
        catch (Exception error)
        {
            CompletionThrew(item.GetType().Name, error);
        }
    }

    private void Flush()
    {
        try
        {
            BatchCompleted?.Invoke();
        }
        catch (Exception error)
        {
            CompletionThrew(nameof(BatchCompleted), error);
        }
    }

    [LoggerMessage(710, LogLevel.Error, "The completion of a {Item} threw")]
    private partial void CompletionThrew(string item, Exception error);
}
