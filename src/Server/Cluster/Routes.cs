using System.Collections.Concurrent;
using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Orleans.Runtime;

namespace Indaba.Server.Cluster;

/// <summary>
/// Something for an account that may be at another node. It goes to the owner, wherever that is by then, in the order in
/// which it was posted among all that this node has for the account, and ends exactly once.
/// </summary>
internal abstract class RoutedItem : LinkItem
{
    /// <summary>The account: a bare JID of this server.</summary>
    public required Jid To { get; init; }
    /// <inheritdoc/>
    public sealed override bool IsAnswered => true;
    /// <summary>Whether it is sent again when the node that had it died without an answer: then doing it twice must be harmless.</summary>
    public virtual bool MayRepeat => true;
    /// <summary>Its place among the items for this account.</summary>
    internal long Order { get; set; }
    /// <summary>The way that it goes: another one each time that the owner was looked for (see <see cref="Feeds"/>).</summary>
    internal long Way { get; set; }
    /// <summary>Its place on that way, from 0.</summary>
    internal long Place { get; set; }
    internal Route? Route { get; set; }

    /// <summary>Writes what the handler at the owner reads.</summary>
    protected abstract void WritePayload(LinkWriter to);

    /// <summary>The end: never <see cref="LinkStatus.NotHere"/>. Never blocks.</summary>
    public abstract void Ended(LinkStatus status, ReadOnlyMemory<byte> payload);

    /// <inheritdoc/>
    public sealed override void Write(LinkWriter to)
    {
        to.Text(To.ToString());
        to.Number((ulong)Way);
        to.Number((ulong)Place);
        var payload = new LinkWriter();
        WritePayload(payload);
        to.Bytes(payload.Take());
    }

    /// <summary>The payload, for an owner that is this very node.</summary>
    internal byte[] Payload()
    {
        var payload = new LinkWriter();
        WritePayload(payload);
        return payload.Take();
    }

    /// <inheritdoc/>
    public sealed override void Answered(LinkStatus status, ReadOnlyMemory<byte> payload) => Route!.Answered(this, status, payload);

    /// <inheritdoc/>
    public sealed override void Broken() => Route!.Broken(this);
}

/// <summary>
/// The ways to accounts that other nodes hold. A way that changes waits until what went the old way has ended, so that the
/// order is kept; what the old owner has not done goes the new way first.
/// </summary>
internal sealed class Routes(Node node, NodeLinks links)
{
    private const int Remembered = 100_000;
    private readonly ConcurrentDictionary<Jid, Route> _routes = new();
    private long _ways;

    /// <summary>Ways known now.</summary>
    public int Count => _routes.Count;

    /// <summary>Ways whose new owner is looked for.</summary>
    public int Moving => _routes.Values.Count(r => r.IsResolving);

    /// <summary>True while something is on its way to an account by another node or waits for its new owner: then nothing may overtake it.</summary>
    public bool IsBusy(Jid bare) => !_routes.IsEmpty && _routes.TryGetValue(bare, out var route) && route.IsBusy;

    /// <summary>Sends an item to the owner of its account. Never blocks.</summary>
    public void Post(RoutedItem item)
    {
        while (!_routes.GetOrAdd(item.To, static (jid, r) => new Route(jid, r.node, r.links, r.self), (node, links, self: this)).Post(item)) { }
        if (_routes.Count > Remembered) Shrink();
    }

    /// <summary>The owner that the last item went to, if nothing says that it has changed.</summary>
    public SiloAddress? Known(Jid bare) => !_routes.IsEmpty && _routes.TryGetValue(bare, out var route) ? route.Owner : null;

    /// <summary>A node is gone: nobody is sent there any more.</summary>
    public void Forget(SiloAddress dead)
    {
        foreach (var route in _routes.Values) route.Forget(dead);
    }

    /// <summary>Completes when there is room for more to this account.</summary>
    public Task RoomAsync(Jid bare) => Known(bare) is { } owner ? links.To(owner).RoomAsync() : Task.CompletedTask;

    /// <summary>A number for a way that nothing has gone yet.</summary>
    internal long NextWay() => Interlocked.Increment(ref _ways);

    internal void Remove(Route route) => _routes.TryRemove(new KeyValuePair<Jid, Route>(route.Account, route));

    private void Shrink()
    {
        foreach (var route in _routes.Values.Take(Remembered / 10)) route.CloseIfIdle();
    }
}

/// <summary>The way to one account.</summary>
internal sealed class Route(Jid account, Node node, NodeLinks links, Routes routes)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20), LongestPause = TimeSpan.FromMilliseconds(500);
    private readonly Lock _lock = new();
    private readonly Queue<RoutedItem> _held = new();
    private readonly SortedList<long, RoutedItem> _returned = [];
    private SiloAddress? _owner;
    private long _order, _way, _places;
    private int _underWay;
    private bool _resolving, _closed;
    private TaskCompletionSource? _empty;

    public Jid Account => account;

    /// <summary>Where the last item went.</summary>
    public SiloAddress? Owner { get { lock (_lock) return _resolving ? null : _owner; } }

    public bool IsResolving { get { lock (_lock) return _resolving; } }

    public bool IsBusy { get { lock (_lock) return _underWay > 0 || _resolving || _held.Count > 0; } }

    /// <summary>False when the route has just been closed: make another.</summary>
    public bool Post(RoutedItem item)
    {
        SiloAddress owner;
        lock (_lock)
        {
            if (_closed) return false;
            item.Route = this;
            item.Order = ++_order;
            if (_resolving || _owner is null)
            {
                _held.Enqueue(item);
                if (!_resolving) Resolve();
                return true;
            }
            owner = _owner;
            Send(links.To(owner), item); // under the lock, so that order here is order there; never blocks
        }
        return true;
    }

    public void Answered(RoutedItem item, LinkStatus status, ReadOnlyMemory<byte> payload)
    {
        if (status == LinkStatus.NotHere) Return(item);
        else
        {
            item.Ended(status, payload);
            Leave();
        }
    }

    public void Broken(RoutedItem item)
    {
        if (item.MayRepeat) Return(item);
        else
        {
            item.Ended(LinkStatus.Failed, default);
            Leave();
        }
    }

    public void Forget(SiloAddress dead)
    {
        lock (_lock)
        {
            if (!_resolving && dead.Equals(_owner)) _owner = null; // what is under way there comes back broken
        }
    }

    public void CloseIfIdle()
    {
        lock (_lock)
        {
            if (_underWay > 0 || _resolving || _held.Count > 0) return;
            _closed = true;
        }
        routes.Remove(this);
    }

    private void Leave()
    {
        lock (_lock)
        {
            if (--_underWay == 0) _empty?.TrySetResult();
        }
    }

    private void Return(RoutedItem item)
    {
        lock (_lock)
        {
            _returned.Add(item.Order, item);
            _owner = null;
            if (!_resolving) Resolve();
            if (--_underWay == 0) _empty?.TrySetResult();
        }
    }

    /// <summary>Under the lock.</summary>
    private void Resolve()
    {
        _resolving = true;
        _ = ResolveAsync();
    }

    /// <summary>Completes when nothing goes the old way any more.</summary>
    private Task DrainedAsync()
    {
        lock (_lock)
        {
            if (_underWay == 0) return Task.CompletedTask;
            _empty = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _empty.Task;
        }
    }

    /// <summary>Waits until the old way is empty, finds the owner, and sends what has gathered, in order.</summary>
    private async Task ResolveAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await DrainedAsync().ConfigureAwait(false);
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                var place = await node.Accounts.LocateAsync(account).ConfigureAwait(false);
                if (place.Owner is { } owner)
                {
                    SendAll(owner);
                    return;
                }
                if (await EndHereAsync(place.Account).ConfigureAwait(false)) return;
            }
            catch (Exception error) when (!node.Stopping)
            {
                node.Log.OwnerUnknown(account.ToString(), error);
            }
            await Task.Delay(pause, node.Time).ConfigureAwait(false);
        }
    }

    private void SendAll(SiloAddress owner)
    {
        lock (_lock)
        {
            _owner = owner;
            _resolving = false;
            var link = links.To(owner);
            (_way, _places) = (routes.NextWay(), 0);
            foreach (var item in Gathered()) Send(link, item);
        }
    }

    /// <summary>Under the lock.</summary>
    private void Send(NodeLink link, RoutedItem item)
    {
        _underWay++;
        (item.Way, item.Place) = (_way, _places++);
        link.Post(item);
    }

    /// <summary>Under the lock.</summary>
    private RoutedItem[] Gathered()
    {
        RoutedItem[] all = [.. _returned.Values, .. _held];
        _returned.Clear();
        _held.Clear();
        return all;
    }

    /// <summary>The owner is this node, or there is none: what has gathered ends here. False when the account went elsewhere meanwhile.</summary>
    private async Task<bool> EndHereAsync(Account? owner)
    {
        while (true)
        {
            RoutedItem[] items;
            lock (_lock)
            {
                items = Gathered();
                if (items.Length == 0)
                {
                    _resolving = false;
                    _closed = true;
                    routes.Remove(this);
                    return true;
                }
            }
            for (var i = 0; i < items.Length; i++)
            {
                var item = items[i];
                if (owner is null)
                {
                    item.Ended(LinkStatus.NoAccount, default);
                    continue;
                }
                if (await links.Inbound.TakeHereAsync(owner, item).ConfigureAwait(false)) continue;
                lock (_lock)
                {
                    foreach (var rest in items[i..]) _returned.Add(rest.Order, rest);
                }
                return false;
            }
        }
    }
}
