namespace Indaba.Server.Storage;

/// <summary>Wakes one thread. A set that nobody waits for is kept for the next wait. (The events of the library spin first, and there are cores to save.)</summary>
internal sealed class Signal
{
    private readonly object _gate = new();
    private bool _set;

    public void Set()
    {
        lock (_gate)
        {
            if (_set) return;
            _set = true;
            Monitor.Pulse(_gate);
        }
    }

    public void Wait()
    {
        lock (_gate)
        {
            while (!_set) Monitor.Wait(_gate);
            _set = false;
        }
    }
}
