using System.Diagnostics;

namespace Indaba.Kill;

/// <summary>Waits until a pair is served: the first message made after a moment has come through.</summary>
internal sealed class Serving(int mark)
{
    private readonly TaskCompletionSource<long> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The moment (of <see cref="Stopwatch"/>) at which it was served.</summary>
    public Task<long> Done => _done.Task;

    /// <summary>A message has come through; true when nothing is waited for any more.</summary>
    public bool OnThrough(int number) => number > mark && _done.TrySetResult(Stopwatch.GetTimestamp());
}

/// <summary>Follows messages from being made until they have come through: acknowledged, and shown on every steady device.</summary>
internal sealed class Transit(IEnumerable<Screen> screens)
{
    private readonly HashSet<Screen> _screens = [.. screens];
    private readonly Dictionary<int, Journey> _under = [];
    private readonly List<float> _delays = []; // in seconds, index 0 is message 1; not a number while it is under way

    /// <summary>A message was made.</summary>
    public void OnMade(int number)
    {
        _under[number] = new Journey(Stopwatch.GetTimestamp());
        _delays.Add(float.NaN);
    }

    /// <summary>It was acknowledged; true when it has come through with that.</summary>
    public bool OnAcked(int number) => Advance(number, j => j.IsAcked = true);

    /// <summary>A device showed it; true when it has come through with that.</summary>
    public bool OnShown(int number, Screen screen) => _screens.Contains(screen) && Advance(number, j => j.Shown.Add(screen));

    /// <summary>The longest time that one of these messages took, as far as they have come through.</summary>
    public TimeSpan Longest(int after, int upTo) =>
        TimeSpan.FromSeconds(_delays.Skip(after).Take(upTo - after).Where(d => !float.IsNaN(d)).DefaultIfEmpty(0).Max());

    private bool Advance(int number, Action<Journey> step)
    {
        if (!_under.TryGetValue(number, out var journey)) return false;
        step(journey);
        if (!journey.IsAcked || journey.Shown.Count < _screens.Count) return false;
        _under.Remove(number);
        _delays[number - 1] = (float)Stopwatch.GetElapsedTime(journey.Made).TotalSeconds;
        return true;
    }

    private sealed class Journey(long made)
    {
        public long Made => made;
        public bool IsAcked { get; set; }
        public HashSet<Screen> Shown { get; } = [];
    }
}
