using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Kill;

/// <summary>How fast a sender sends.</summary>
/// <param name="Window">Messages outstanding at most.</param>
/// <param name="Interval">Between two messages; null is as fast as the window allows.</param>
/// <param name="AskEvery">Messages after which it asks for an ack; less than the window, or it waits for ever.</param>
internal sealed record Pace(int Window, TimeSpan? Interval, int AskEvery);

/// <summary>Sends numbered messages; sends again, with the same origin-id, what was not acknowledged when a stream was lost.</summary>
internal sealed class Sender(WireTarget server, Ledger ledger, Pace pace, Habits habits, Refusals refusals) : Device(server, ledger.Sender, habits, refusals)
{
    private readonly Lock _lock = new();
    private readonly Queue<int> _inFlight = new(); // stanzas of the stream in order: message numbers
    private readonly List<int> _unsent = []; // of earlier streams, to be sent again first
    private uint _seen; // of the stream's acks
    private SemaphoreSlim _room = new(0);
    private volatile bool _finished;

    /// <summary>No new messages from now on; what is under way is brought to its end.</summary>
    public void Finish() => _finished = true;

    protected override Task OnBound(WireClient client, CancellationToken stop)
    {
        lock (_lock)
        {
            _seen = 0;
            _inFlight.Clear();
        }
        return Task.CompletedTask;
    }

    protected override void OnResumed(WireClient client)
    {
        lock (_lock) ledger.Resent += _inFlight.Count;
        TakeAcks(client);
    }

    protected override void OnLost(WireClient earlier)
    {
        TakeAcks(earlier);
        lock (_lock)
        {
            ledger.Resent += _inFlight.Count;
            _unsent.InsertRange(0, _inFlight);
            _inFlight.Clear();
        }
    }

    protected override async Task<bool> Live(WireClient client, bool isNew, CancellationToken stop)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(stop);
        int room;
        lock (_lock) room = pace.Window - _inFlight.Count;
        _room = new SemaphoreSlim(Math.Max(0, room));
        var reading = ReadAll(client, both);
        try
        {
            await SendAll(client, both.Token);
        }
        catch (OperationCanceledException) when (both.IsCancellationRequested)
        {
            // the connection broke, or the run is over
        }
        finally
        {
            await both.CancelAsync();
            await reading;
        }
        return false;
    }

    private async Task SendAll(WireClient client, CancellationToken stop)
    {
        var request = new Element("r", Ns.StreamManagement);
        await client.Send(request); // what a resumed stream still has outstanding
        using var clock = pace.Interval is { } interval ? new PeriodicTimer(interval) : null;
        var sinceRequest = 0;
        while (!_finished || HasUnsent)
        {
            await _room.WaitAsync(stop);
            var again = HasUnsent;
            if (!again && clock is not null) await clock.WaitForNextTickAsync(stop);
            if (!again && _finished) break;
            var number = Take();
            var ask = ++sinceRequest >= pace.AskEvery;
            if (ask) sinceRequest = 0;
            await (ask ? client.SendTogether(ledger.Stanza(number), request) : client.SendTogether(ledger.Stanza(number)));
        }
        await client.Send(request);
        await Task.Delay(Timeout.Infinite, stop);
    }

    private bool HasUnsent
    {
        get { lock (_lock) return _unsent.Count > 0; }
    }

    /// <summary>The next message to send, entered as being in flight.</summary>
    private int Take()
    {
        lock (_lock)
        {
            int number;
            if (_unsent.Count > 0)
            {
                number = _unsent[0];
                _unsent.RemoveAt(0);
            }
            else
            {
                number = ledger.Next();
            }
            _inFlight.Enqueue(number);
            return number;
        }
    }

    private async Task ReadAll(WireClient client, CancellationTokenSource both)
    {
        try
        {
            while (await Read(client, both.Token) is { } element)
            {
                if (element.Is("enabled", Ns.StreamManagement)) client.Sm!.Id = element["id"];
                else if (element.Is("a", Ns.StreamManagement)) TakeAcks(client);
                else if (element.Is("message", Ns.Client) && element["type"] == "error") ledger.Bounced++;
            }
        }
        catch (Exception e) when (IsBroken(e) || e is OperationCanceledException)
        {
            if (e is WireException) ledger.Fault(e.Message);
        }
        await both.CancelAsync();
    }

    private void TakeAcks(WireClient client)
    {
        lock (_lock)
        {
            for (; _seen < client.Sm!.Acked; _seen++)
            {
                ledger.Ack(_inFlight.Dequeue());
                _room.Release();
            }
        }
    }
}
