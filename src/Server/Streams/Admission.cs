using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using Indaba.Server.Options;

namespace Indaba.Server.Streams;

/// <summary>
/// How many logins go on at a time on this node. A login is what costs: the TLS handshake, hashes, a dozen reads of the
/// database. When thousands of devices of a dead node come at once, so many as the node can bear are let in, the next
/// ones wait in their order, and the rest is told when to come back. Sessions that are bound never pass here.
/// </summary>
/// <remarks>
/// A place is held from the first step that costs (STARTTLS, the handshake of direct TLS, SASL) until a session is bound
/// or resumed, so also while the client has the next move. A client that takes long over it loses its place if somebody
/// waits, and queues again with its next step: else a few silent connections could keep everybody out.
/// </remarks>
internal sealed class Admission
{
    /// <summary>Patience with a client that has the next move; four round trips of a bad mobile network.</summary>
    private static readonly TimeSpan Dawdling = TimeSpan.FromSeconds(2);
    private const int LeastSeconds = 2, MostSeconds = 60; // coming too early costs little: it is told again
    /// <summary>Logins a second that are assumed while there is nothing to go by: what one core does with TLS.</summary>
    private const double AssumedRate = 200;
    /// <summary>Less is not believed: a machine that is that busy now will not be when those who are told come back.</summary>
    private const double LeastRate = 50;
    /// <summary>Measured with 1,500 devices at once on two processors: 32 are as fast as 128, and bound sessions wait a sixth of the time (median 26 ms, not 159).</summary>
    private const int PerProcessor = 32;

    private readonly Func<LimitsOptions> _limits;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _queue = [];
    private readonly LinkedList<AdmissionTicket> _inFlight = [];
    private readonly Counter<long> _refused;
    private readonly Histogram<double> _waited;
    private long _turnedAway; // since the queue was last empty: they will come back too
    private double _rate = AssumedRate;
    private long _rateSince;
    private int _done;

    public Admission(Func<LimitsOptions> limits, TimeProvider time, IMeterFactory meters)
    {
        _limits = limits;
        _time = time;
        _rateSince = time.GetTimestamp();
        var meter = meters.Create("Indaba");
        meter.CreateObservableGauge("indaba.logins.waiting", () => Waiting, "{login}", "Logins that wait for their turn");
        meter.CreateObservableGauge("indaba.logins.in_flight", () => InFlight, "{login}", "Logins that are under way");
        _refused = meter.CreateCounter<long>("indaba.logins.refused", "{login}", "Logins that were told to come back later");
        _waited = meter.CreateHistogram("indaba.logins.wait", "s", "How long a login waited for its turn",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [.001, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20] });
    }

    /// <summary>How many may go on.</summary>
    private int Bound => _limits().LoginsInFlight is > 0 and var set ? set : PerProcessor * Environment.ProcessorCount;

    /// <summary>Logins that wait.</summary>
    public int Waiting { get { lock (_lock) return _queue.Count; } }

    /// <summary>Logins that go on.</summary>
    public int InFlight { get { lock (_lock) return _inFlight.Count; } }

    /// <summary>True when whoever comes now would be turned away: worth a look before anything is spent on it.</summary>
    public bool IsFull { get { lock (_lock) return _queue.Count >= _limits().LoginQueue && _inFlight.Count >= Bound; } }

    /// <summary>A place, perhaps after a wait in the order of arrival; null when as many wait as may: refuse with <see cref="ComeBackSeconds"/>.</summary>
    /// <exception cref="OperationCanceledException">The client has gone, its time is over, or the node stops.</exception>
    public async ValueTask<AdmissionTicket?> EnterAsync(CancellationToken cancel)
    {
        Waiter waiter;
        lock (_lock)
        {
            if (_inFlight.Count < Bound && _queue.Count == 0) return Place();
            if (_queue.Count >= _limits().LoginQueue) return null;
            waiter = new Waiter(_time.GetTimestamp());
            waiter.Node = _queue.AddLast(waiter);
        }
        using var gone = cancel.UnsafeRegister(static (state, token) =>
        {
            var (admission, waiter) = ((Admission, Waiter))state!;
            admission.GiveUp(waiter, token);
        }, (this, waiter));
        return await waiter.Turn.Task.ConfigureAwait(false);
    }

    /// <summary>
    /// When a client that is turned away should come back: when those before it will have logged in, at the present rate, and
    /// spread out, so that they do not all come back at once.
    /// </summary>
    public int ComeBackSeconds()
    {
        _refused.Add(1);
        double before;
        lock (_lock) before = (_queue.Count + ++_turnedAway) / _rate;
        return (int)Math.Clamp(Math.Ceiling(LeastSeconds + before * (500 + RandomNumberGenerator.GetInt32(501)) / 1000), LeastSeconds, MostSeconds);
    }

    /// <summary>Takes places back from clients that dawdle while others wait. Called a few times a second.</summary>
    public void Sweep()
    {
        lock (_lock)
        {
            Measure();
            for (var node = _inFlight.First; node is not null && _queue.Count > 0;)
            {
                var next = node.Next;
                if (node.Value.ClientsTurnSince is var since and not 0 && _time.GetElapsedTime(since) > Dawdling) Vacate(node.Value);
                node = next;
            }
        }
    }

    /// <summary>The client has the next move from now on, or has made it; false when the place was lost meanwhile.</summary>
    internal bool SetClientsTurn(AdmissionTicket ticket, bool clients)
    {
        lock (_lock)
        {
            ticket.ClientsTurnSince = clients ? _time.GetTimestamp() : 0;
            return ticket.Node is not null;
        }
    }

    /// <summary>The login has ended, one way or the other.</summary>
    internal void Leave(AdmissionTicket ticket)
    {
        lock (_lock)
        {
            if (ticket.Node is null) return;
            _done++;
            Vacate(ticket);
        }
    }

    private AdmissionTicket Place()
    {
        var ticket = new AdmissionTicket(this);
        ticket.Node = _inFlight.AddLast(ticket);
        return ticket;
    }

    private void Vacate(AdmissionTicket ticket)
    {
        _inFlight.Remove(ticket.Node!);
        ticket.Node = null;
        LetIn();
    }

    private void LetIn()
    {
        while (_inFlight.Count < Bound && _queue.First is { Value: var waiter })
        {
            _queue.RemoveFirst();
            waiter.Node = null;
            _waited.Record(_time.GetElapsedTime(waiter.Since).TotalSeconds);
            waiter.Turn.TrySetResult(Place()); // a waiter out of the queue cannot be cancelled any more
        }
        if (_queue.Count == 0) _turnedAway = 0;
    }

    private void GiveUp(Waiter waiter, CancellationToken cancel)
    {
        lock (_lock)
        {
            if (waiter.Node is null) return; // its turn has come: it will leave by itself
            _queue.Remove(waiter.Node);
            waiter.Node = null;
        }
        waiter.Turn.TrySetCanceled(cancel);
    }

    /// <summary>The rate of logins, from seconds in which somebody waited; an idle node says nothing of what it could do.</summary>
    private void Measure()
    {
        var seconds = _time.GetElapsedTime(_rateSince).TotalSeconds;
        if (seconds < 1) return;
        if (_queue.Count > 0) _rate = Math.Max(LeastRate, 0.5 * _rate + 0.5 * _done / seconds);
        _done = 0;
        _rateSince = _time.GetTimestamp();
        LetIn(); // a raised bound takes effect without waiting for somebody to leave
    }

    private sealed class Waiter(long since)
    {
        public long Since => since;
        public TaskCompletionSource<AdmissionTicket?> Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public LinkedListNode<Waiter>? Node { get; set; }
    }
}

/// <summary>A place among the logins that go on.</summary>
internal sealed class AdmissionTicket(Admission admission) : IDisposable
{
    /// <summary>Where it stands; null when it is lost or given back. Under the lock of <see cref="Admission"/>, as the next.</summary>
    internal LinkedListNode<AdmissionTicket>? Node { get; set; }
    /// <summary>Since when the client has the next move; 0 while the server works.</summary>
    internal long ClientsTurnSince { get; set; }

    /// <summary>The client has the next move from now on.</summary>
    public void ClientsTurn() => admission.SetClientsTurn(this, clients: true);

    /// <summary>The client has moved; false when it took too long and the place is somebody else's.</summary>
    public bool ServersTurn() => admission.SetClientsTurn(this, clients: false);

    /// <summary>Makes room for the next.</summary>
    public void Dispose() => admission.Leave(this);
}
