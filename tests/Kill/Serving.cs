using System.Diagnostics;

namespace Indaba.Kill;

/// <summary>Waits until a pair is served: a message made after a moment was acknowledged and shown.</summary>
internal sealed class Serving(int mark, IEnumerable<Screen> screens)
{
    private readonly Dictionary<int, HashSet<Screen>> _shown = [];
    private readonly HashSet<int> _acked = [];
    private readonly HashSet<Screen> _screens = [.. screens];
    private readonly TaskCompletionSource<long> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The moment (of <see cref="Stopwatch"/>) at which it was served.</summary>
    public Task<long> Done => _done.Task;

    /// <summary>Notes an ack; true when nothing is waited for any more.</summary>
    public bool OnAcked(int number)
    {
        if (number <= mark) return false;
        _acked.Add(number);
        return Complete(number);
    }

    /// <summary>Notes that a device showed a message; true when nothing is waited for any more.</summary>
    public bool OnShown(Screen screen, int number)
    {
        if (number <= mark) return false;
        if (!_shown.TryGetValue(number, out var on)) _shown[number] = on = [];
        on.Add(screen);
        return Complete(number);
    }

    private bool Complete(int number)
    {
        if (!_acked.Contains(number) || _screens.Count > 0 && !(_shown.TryGetValue(number, out var on) && on.IsSupersetOf(_screens))) return false;
        _done.TrySetResult(Stopwatch.GetTimestamp());
        return true;
    }
}
