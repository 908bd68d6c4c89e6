using Orleans.Runtime;

namespace Indaba.Server.Cluster;

/// <summary>
/// The way to one other node: items in the order in which they were posted, in batches of which one is under way at a
/// time. A batch that fails is sent again until it is taken or the node is declared dead; the other side drops repeats. So
/// order holds although the calls underneath may overtake each other.
/// </summary>
internal sealed class NodeLink(SiloAddress remote, SiloAddress self, INodeService service, ILogger log, TimeProvider time)
{
    /// <summary>Bytes that may wait before those who can wait are made to.</summary>
    private const int Roomy = 4 << 20;
    /// <summary>Bytes beyond which what nobody is answered for (presence) is dropped; the rest is bounded by those who wait for answers.</summary>
    private const int Full = 64 << 20;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20), LongestPause = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly Dictionary<long, LinkItem> _open = [];
    private readonly TaskCompletionSource _broken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private LinkWriter _waiting = new(), _spare = new();
    private TaskCompletionSource? _room;
    private long _lastId, _number;
    private bool _pumping, _dead;

    /// <summary>The other node, this life of it.</summary>
    public SiloAddress Remote => remote;

    /// <summary>Items that wait for their answer.</summary>
    public int Open { get { lock (_lock) return _open.Count; } }

    /// <summary>Bytes that wait to be sent.</summary>
    public int Waiting { get { lock (_lock) return _waiting.Length; } }

    /// <summary>Batches sent, for the metrics.</summary>
    public long Batches => Volatile.Read(ref _number);

    /// <summary>Puts an item at the end. Never blocks. An item for a node that is gone is told so before the call returns.</summary>
    public void Post(LinkItem item)
    {
        bool broken, start = false;
        lock (_lock)
        {
            broken = _dead;
            if (!broken && !item.IsAnswered && item.Kind == LinkKind.Fanout && _waiting.Length > Full) return;
            if (!broken)
            {
                var id = item.IsAnswered ? ++_lastId : 0;
                if (id != 0) _open.Add(id, item);
                _waiting.Number((ulong)item.Kind);
                _waiting.Number((ulong)id);
                item.Write(_waiting);
                start = !_pumping;
                _pumping = true;
            }
        }
        if (broken) item.Broken();
        else if (start) _ = PumpAsync();
    }

    /// <summary>Completes when there is room for more: back-pressure for those who read from clients.</summary>
    public Task RoomAsync()
    {
        lock (_lock)
        {
            if (_waiting.Length < Roomy || _dead) return Task.CompletedTask;
            return (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>An answer has come.</summary>
    public void Answer(long id, LinkStatus status, ReadOnlyMemory<byte> payload)
    {
        LinkItem? item;
        lock (_lock)
        {
            if (!_open.Remove(id, out item)) return;
        }
        item.Answered(status, payload);
    }

    /// <summary>The node is dead: what it has not answered is told so, in order.</summary>
    public void Break()
    {
        LinkItem[] open;
        TaskCompletionSource? room;
        lock (_lock)
        {
            if (_dead) return;
            _dead = true;
            open = [.. _open.OrderBy(p => p.Key).Select(p => p.Value)];
            _open.Clear();
            _waiting = new LinkWriter();
            (room, _room) = (_room, null);
        }
        _broken.TrySetResult();
        room?.TrySetResult();
        foreach (var item in open) item.Broken();
    }

    private async Task PumpAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding); // the poster goes on; more gathers meanwhile
        while (true)
        {
            byte[] batch;
            TaskCompletionSource? room;
            lock (_lock)
            {
                if (_waiting.Length == 0 || _dead)
                {
                    _pumping = false;
                    return;
                }
                (_waiting, _spare) = (_spare, _waiting);
                batch = _spare.Take();
                (room, _room) = (_room, null);
            }
            room?.TrySetResult();
            if (!await SendAsync(Interlocked.Increment(ref _number), batch).ConfigureAwait(false)) return;
        }
    }

    /// <summary>Sends one batch until it is taken; false when the node is dead.</summary>
    private async Task<bool> SendAsync(long number, byte[] batch)
    {
        for (var pause = FirstPause; !_broken.Task.IsCompleted; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                await service.TakeAsync(self, number, batch).ConfigureAwait(false);
                return true;
            }
            catch (Exception error)
            {
                if (_broken.Task.IsCompleted) break;
                log.LinkRetries(remote.ToString(), number, error.Message);
            }
            await _broken.Task.WaitAsync(pause, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return false;
    }
}
