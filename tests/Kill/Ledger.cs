using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Kill;

/// <summary>A message as a receiver saw it or an archive holds it.</summary>
/// <param name="Number">The number that the sender gave it: 1, 2, 3, …</param>
/// <param name="OriginId">The sender's id for it (XEP-0359).</param>
/// <param name="StanzaId">The id that the own server gave it; null when it gave none.</param>
internal readonly record struct Sighting(int Number, string OriginId, string? StanzaId);

/// <summary>What one sender sent to one receiver and what became of it. The checker works on this and nothing else.</summary>
internal sealed class Ledger(int pair, params IReadOnlyList<Screen> screens)
{
    private readonly Lock _lock = new();
    private readonly List<string> _originIds = []; // index 0 is message 1
    private readonly HashSet<int> _acked = [];
    private readonly List<Serving> _watches = [];
    private readonly Transit _transit = new(screens.Where(s => s.IsSteady));

    /// <summary>The sender's account.</summary>
    public string Sender { get; } = $"sender{pair}";
    /// <summary>The receiver's account.</summary>
    public string Receiver { get; } = $"receiver{pair}";
    /// <summary>The receiver's devices.</summary>
    public IReadOnlyList<Screen> Screens { get; } = screens;
    /// <summary>Times that a message was sent again after a break.</summary>
    public int Resent { get; set; }
    /// <summary>Messages that came back as errors.</summary>
    public int Bounced { get; set; }
    /// <summary>Protocol faults noted on the way, as text.</summary>
    public List<string> Faults { get; } = [];
    /// <summary>The receiver's archive at the end.</summary>
    public IReadOnlyList<Sighting> ReceiverArchive { get; set; } = [];
    /// <summary>The sender's archive at the end.</summary>
    public IReadOnlyList<Sighting> SenderArchive { get; set; } = [];

    /// <summary>Messages made so far.</summary>
    public int Sent
    {
        get { lock (_lock) return _originIds.Count; }
    }

    /// <summary>How many of them the server has taken responsibility for.</summary>
    public int AckedCount
    {
        get { lock (_lock) return _acked.Count; }
    }

    /// <summary>The numbers that the server has taken responsibility for.</summary>
    public IReadOnlySet<int> Acked
    {
        get { lock (_lock) return new HashSet<int>(_acked); }
    }

    /// <summary>True when all that was sent has been acknowledged and shown on every device.</summary>
    public bool IsComplete => IsAcked && Screens.All(s => s.Count >= Sent);

    /// <summary>True when all that was sent has been acknowledged.</summary>
    public bool IsAcked
    {
        get { lock (_lock) return _acked.Count == _originIds.Count; }
    }

    /// <summary>Makes the next message; returns its number.</summary>
    public int Next()
    {
        lock (_lock)
        {
            _originIds.Add(System.Security.Cryptography.RandomNumberGenerator.GetHexString(24, lowercase: true));
            _transit.OnMade(_originIds.Count);
            return _originIds.Count;
        }
    }

    /// <summary>The stanza of a message: the same bytes each time it is sent.</summary>
    public Element Stanza(int number)
    {
        string origin;
        lock (_lock) origin = _originIds[number - 1];
        return new Element("message", Ns.Client).With("to", $"{Receiver}@localhost").With("type", "chat").With("id", origin)
            .Add("body", Ns.Client, $"{Sender} {number}")
            .Add(new Element("origin-id", Ns.StanzaIds).With("id", origin));
    }

    /// <summary>Notes an ack.</summary>
    public void Ack(int number)
    {
        lock (_lock)
        {
            _acked.Add(number);
            if (_transit.OnAcked(number)) _watches.RemoveAll(w => w.OnThrough(number));
        }
    }

    /// <summary>A device of the receiver got a message.</summary>
    public void Receive(Screen screen, Sighting seen)
    {
        if (!screen.Show(seen)) return;
        lock (_lock)
        {
            if (_transit.OnShown(seen.Number, screen)) _watches.RemoveAll(w => w.OnThrough(seen.Number));
        }
    }

    /// <summary>Waits for the first message made from now on that is acknowledged and shown on every steady device.</summary>
    public Serving Watch()
    {
        lock (_lock)
        {
            var watch = new Serving(_originIds.Count);
            _watches.Add(watch);
            return watch;
        }
    }

    /// <summary>The longest time that one of these messages took from the sender to every steady device and back.</summary>
    public TimeSpan LongestDelay(int after, int upTo)
    {
        lock (_lock) return _transit.Longest(after, upTo);
    }

    /// <summary>Notes a protocol fault.</summary>
    public void Fault(string text)
    {
        lock (_lock) Faults.Add(text);
    }

    /// <summary>Reads a message of this pair; null when it is something else. <paramref name="account"/> is whose stanza-id counts.</summary>
    public Sighting? Read(Element message, string account)
    {
        if (!message.Is("message", Ns.Client) || message["type"] == "error") return null;
        var body = message.ChildText("body", Ns.Client)?.Split(' ');
        if (body is not [var sender, var number] || sender != Sender) return null;
        var stanzaId = message.Children("stanza-id", Ns.StanzaIds).FirstOrDefault(e => e["by"] == $"{account}@localhost")?["id"];
        return new Sighting(int.Parse(number, System.Globalization.CultureInfo.InvariantCulture), message.Child("origin-id", Ns.StanzaIds)?["id"] ?? message["id"] ?? "", stanzaId);
    }
}
