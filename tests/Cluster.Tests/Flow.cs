using System.Globalization;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Cluster.Tests;

/// <summary>
/// Messages from one to another through the balancer, a few at a time, by clients that come back when they are sent away:
/// they resume, or log in and send again what was not acknowledged. Anything but a reconnect is noted as a fault.
/// </summary>
internal sealed class Flow : IAsyncDisposable
{
    private static readonly string[] SentAway = ["system-shutdown", "see-other-host", "reset", "connection-timeout", "resource-constraint"];
    private readonly WireTarget _target;
    private readonly string _from, _to;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly List<string> _heard = [], _faults = [];
    private readonly HashSet<string> _ids = [];
    private Task _sending = Task.CompletedTask, _hearing = Task.CompletedTask;
    private int _sent;
    private volatile bool _finishing;

    private Flow(WireTarget target, string from, string to) => (_target, _from, _to) = (target, from, to);

    /// <summary>All that was sent, in order.</summary>
    public IReadOnlyList<string> Sent => [.. Enumerable.Range(1, _sent).Select(Text)];
    /// <summary>All that was heard, in order, each stanza-id once.</summary>
    public IReadOnlyList<string> Heard { get { lock (_lock) return [.. _heard]; } }
    /// <summary>What should not have been.</summary>
    public IReadOnlyList<string> Faults { get { lock (_lock) return [.. _faults]; } }

    /// <summary>Begins.</summary>
    public static async Task<Flow> Start(WireTarget target, string from, string to)
    {
        var flow = new Flow(target, from, to);
        var there = new TaskCompletionSource();
        flow._hearing = flow.Live(to, there, flow.Hear);
        await there.Task.WaitAsync(WireClient.Limit);
        flow._sending = flow.Live(from, new TaskCompletionSource(), flow.Send);
        return flow;
    }

    /// <summary>Waits until some more have come through.</summary>
    public async Task AwaitMore(int count)
    {
        int wanted;
        lock (_lock) wanted = _heard.Count + count;
        await Until(() => _heard.Count >= wanted, $"{count} more messages");
    }

    /// <summary>Sends no more, and waits until all has come.</summary>
    public async Task Finish()
    {
        _finishing = true;
        await _sending.WaitAsync(WireClient.Limit);
        await Until(() => _heard.Count >= _sent, "all messages");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_sending, _hearing);
        _stop.Dispose();
    }

    private static string Text(int n) => n.ToString(CultureInfo.InvariantCulture);

    private async Task Until(Func<bool> done, string what)
    {
        using var limit = new CancellationTokenSource(3 * WireClient.Limit);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (true)
        {
            lock (_lock)
            {
                if (done()) return;
                if (limit.IsCancellationRequested) throw new WireException($"{what} did not come: {_heard.Count} of {_sent} so far; {string.Join("; ", _faults)}");
            }
            await tick.WaitForNextTickAsync();
        }
    }

    private async Task Live(string account, TaskCompletionSource there, Func<WireClient, CancellationToken, Task> work)
    {
        WireClient? earlier = null;
        while (!_stop.IsCancellationRequested && !(_finishing && work == Send && _unacked.Count == 0))
        {
            WireClient? client = null;
            try
            {
                client = await WireClient.Connect(_target);
                await client.Authenticate(account, TestServer.Password);
                var resumed = earlier?.Sm?.Id is not null && (await client.Resume(earlier)).Name == "resumed";
                if (!resumed)
                {
                    await client.Bind("flow");
                    await client.EnableSm();
                    await client.Send(new Element("presence", Ns.Client));
                    if (work == Send) foreach (var n in _unacked.ToArray()) await client.Send(Message(n));
                }
                earlier = client;
                there.TrySetResult();
                await work(client, _stop.Token);
            }
            catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or WireException or OperationCanceledException)
            {
                // sent away: again
            }
            if (client is null) continue;
            foreach (var error in client.Inbox.Where(x => x.Is("error", Ns.Stream))) Judge(error);
            await client.DisposeAsync();
        }
    }

    private readonly Queue<int> _unacked = new();

    private Element Message(int n) => new Element("message", Ns.Client).With("to", $"{_to}@localhost").With("type", "chat").With("id", $"flow{n}")
        .Add("body", Ns.Client, Text(n)).Add(new Element("origin-id", Ns.StanzaIds).With("id", $"flow{n}"));

    private async Task Send(WireClient client, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested && !(_finishing && _unacked.Count == 0))
        {
            if (_unacked.Count == 0)
            {
                int n;
                lock (_lock) n = ++_sent;
                _unacked.Enqueue(n);
                await client.Send(Message(n));
            }
            await client.AwaitAcks();
            _unacked.Clear();
            foreach (var error in client.Inbox.Where(e => e["type"] == "error")) Fault(error.ToString());
            client.ClearInbox();
        }
    }

    private async Task Hear(WireClient client, CancellationToken stop)
    {
        while (await client.Read(stop) is { } element)
        {
            if (element.Is("error", Ns.Stream)) Judge(element);
            else if (element["type"] == "error") Fault(element.ToString());
            if (element.ChildText("body", Ns.Client) is not { } body) continue;
            var id = element.Children("stanza-id", Ns.StanzaIds).FirstOrDefault(s => s["by"] == $"{_to}@localhost")?["id"];
            lock (_lock)
            {
                if (id is null || _ids.Add(id)) _heard.Add(body);
            }
        }
    }

    private void Judge(Element error)
    {
        if (!error.Elements.Any(e => SentAway.Contains(e.Name))) Fault(error.ToString());
    }

    private void Fault(string text)
    {
        lock (_lock) _faults.Add(text);
    }
}
