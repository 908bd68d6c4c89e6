using System.Diagnostics.Metrics;
using Indaba.Server.Cluster;
using Indaba.Server.Sessions;

namespace Indaba.Server.Telemetry;

/// <summary>
/// What the server as a whole counts, on the meter "Indaba" (storage has its own, "Indaba.Storage"). What can be looked
/// at is observed at the scrape and costs nothing between; only events are counted as they happen.
/// </summary>
internal sealed class Metrics
{
    private readonly Counter<long> _logins, _refused, _submitted, _delivered, _backlogReads, _backlogEntries;
    private readonly Histogram<double> _ack;

    public Metrics(IMeterFactory meters, Node node)
    {
        var meter = meters.Create("Indaba");
        var (sessions, mailbox) = (node.Sessions, node.Mailbox);
        meter.CreateObservableUpDownCounter("indaba.node.state", () => States(node.Lifecycle.State), null, "1 for the state that this node is in, 0 for the others");
        meter.CreateObservableGauge("indaba.node.info", () => new Measurement<int>(1, Tag("version", typeof(Metrics).Assembly.GetName().Version!.ToString(3)), Tag("node", node.Name)), null, "1, with the version and the name of this node");
        meter.CreateObservableGauge("indaba.node.uptime", () => (node.Time.GetUtcNow() - node.StartedAt).TotalSeconds, "s", "How long this node has run");
        meter.CreateObservableUpDownCounter("indaba.accounts.held", () => node.Accounts.Count, "{account}", "Accounts that this node holds");
        meter.CreateObservableUpDownCounter("indaba.sessions", () => Sessions(sessions), "{session}", "Sessions on this node, by state and transport");
        meter.CreateObservableUpDownCounter("indaba.sessions.parked", () => sessions.All.Count(s => s.State == SessionState.Detached), "{session}", "Sessions without a connection that can be resumed (XEP-0198)");
        meter.CreateObservableUpDownCounter("indaba.sessions.waiting", () => sessions.Snapshot().Sum(s => (long)s.Queue), "{stanza}", "Stanzas that wait to be written to devices");
        meter.CreateObservableUpDownCounter("indaba.sessions.unacked", () => sessions.Snapshot().Sum(s => (long)s.Unacked), "{stanza}", "Stanzas written to devices and not acked yet (XEP-0198)");
        meter.CreateObservableUpDownCounter("indaba.mailbox.queue", () => mailbox.QueueLength, "{append}", "Appends and jobs that wait for their commit");
        meter.CreateObservableGauge("indaba.mailbox.wait", () => mailbox.OldestWaiting.TotalSeconds, "s", "How long the oldest of them has waited");
        node.Links.Observe(meter);
        _logins = meter.CreateCounter<long>("indaba.logins", "{login}", "Logins by mechanism and outcome");
        _refused = meter.CreateCounter<long>("indaba.connections.refused", "{connection}", "Connections refused for a limit");
        _submitted = meter.CreateCounter<long>("indaba.messages.submitted", "{message}", "Messages taken from clients");
        _delivered = meter.CreateCounter<long>("indaba.messages.delivered", "{message}", "Entries of the log written to devices, repeats included");
        _backlogReads = meter.CreateCounter<long>("indaba.backlog.reads", "{read}", "Pages read from the log for devices that were away or are slow");
        _backlogEntries = meter.CreateCounter<long>("indaba.backlog.entries", "{message}", "Entries in those pages");
        _ack = meter.CreateHistogram("indaba.message.ack.duration", "s", "From a message that is stored, as it arrives, to its one tick: committed, and all before it too",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60] });
    }

    /// <summary>A login has ended. Mechanism must be one that the server knows, never a client's own word.</summary>
    public void Login(string mechanism, bool succeeded) => _logins.Add(1, Tag("mechanism", mechanism), Tag("outcome", succeeded ? "success" : "failure"));

    /// <summary>A connection was refused; the reason is one of a few words of this program.</summary>
    public void Refused(string reason) => _refused.Add(1, Tag("reason", reason));

    /// <summary>A client has sent a message.</summary>
    public void Submitted() => _submitted.Add(1);

    /// <summary>A message that is stored may be acked, so long after it came.</summary>
    public void Acked(TimeSpan after) => _ack.Record(after.TotalSeconds);

    /// <summary>Entries of the log were written to a device.</summary>
    public void Delivered(int entries) => _delivered.Add(entries);

    /// <summary>A page of the log was read for a device.</summary>
    public void BacklogRead(int entries)
    {
        _backlogReads.Add(1);
        _backlogEntries.Add(entries);
    }

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    private static IEnumerable<Measurement<int>> States(NodeState now) =>
        Enum.GetValues<NodeState>().Select(s => new Measurement<int>(s == now ? 1 : 0, Tag("state", s.ToString().ToLowerInvariant())));

    private static IEnumerable<Measurement<long>> Sessions(SessionTable sessions) => sessions.Snapshot()
        .CountBy(s => (s.State, s.Transport))
        .Select(p => new Measurement<long>(p.Value, Tag("state", p.Key.State), Tag("transport", p.Key.Transport)));
}
