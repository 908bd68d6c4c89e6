using System.Diagnostics.Metrics;
using Indaba.Server.Mailbox;
using Indaba.Server.Sessions;

namespace Indaba.Server.Telemetry;

/// <summary>
/// What the server as a whole counts, on the meter "Indaba" (storage has its own, "Indaba.Storage"). What can be looked
/// at is observed at the scrape and costs nothing between; only events are counted as they happen.
/// </summary>
internal sealed class Metrics
{
    private readonly Counter<long> _logins;
    private readonly Counter<long> _refused;

    public Metrics(IMeterFactory meters, SessionTable sessions, MailboxLog mailbox)
    {
        var meter = meters.Create("Indaba");
        meter.CreateObservableUpDownCounter("indaba.sessions", () => Sessions(sessions), "{session}", "Sessions on this node, by state and transport");
        meter.CreateObservableUpDownCounter("indaba.sessions.waiting", () => sessions.Snapshot().Sum(s => (long)s.Queue), "{stanza}", "Stanzas that wait to be written to devices");
        meter.CreateObservableUpDownCounter("indaba.sessions.unacked", () => sessions.Snapshot().Sum(s => (long)s.Unacked), "{stanza}", "Stanzas written to devices and not acked yet (XEP-0198)");
        meter.CreateObservableUpDownCounter("indaba.mailbox.queue", () => mailbox.QueueLength, "{append}", "Appends and jobs that wait for their commit");
        meter.CreateObservableGauge("indaba.mailbox.wait", () => mailbox.OldestWaiting.TotalSeconds, "s", "How long the oldest of them has waited");
        _logins = meter.CreateCounter<long>("indaba.logins", "{login}", "Logins by mechanism and outcome");
        _refused = meter.CreateCounter<long>("indaba.connections.refused", "{connection}", "Connections refused for a limit");
    }

    /// <summary>A login has ended. Mechanism must be one that the server knows, never a client's own word.</summary>
    public void Login(string mechanism, bool succeeded) =>
        _logins.Add(1, new KeyValuePair<string, object?>("mechanism", mechanism), new KeyValuePair<string, object?>("outcome", succeeded ? "success" : "failure"));

    /// <summary>A connection was refused; the reason is one of a few words of this program.</summary>
    public void Refused(string reason) => _refused.Add(1, new KeyValuePair<string, object?>("reason", reason));

    private static IEnumerable<Measurement<long>> Sessions(SessionTable sessions) => sessions.Snapshot()
        .CountBy(s => (s.State, s.Transport))
        .Select(p => new Measurement<long>(p.Value, new KeyValuePair<string, object?>("state", p.Key.State), new KeyValuePair<string, object?>("transport", p.Key.Transport)));
}
