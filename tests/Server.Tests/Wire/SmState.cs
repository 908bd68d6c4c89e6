using System.Globalization;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Wire;

/// <summary>One side's account of a managed stream (XEP-0198): it outlives the connection and goes to the next.</summary>
internal sealed class SmState
{
    private readonly Lock _lock = new();
    private readonly Queue<ReadOnlyMemory<byte>> _unacked = new();

    /// <summary>The server's name for the stream, once it can be resumed.</summary>
    public string? Id { get; set; }
    /// <summary>Stanzas sent since <c>&lt;enable/&gt;</c>.</summary>
    public uint Sent { get; private set; }
    /// <summary>Stanzas received since <c>&lt;enabled/&gt;</c>: the own <c>h</c>.</summary>
    public uint Received { get; private set; }
    /// <summary>The last <c>h</c> of the server.</summary>
    public uint Acked { get; private set; }

    /// <summary>What was sent and not acknowledged yet.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Unacked
    {
        get { lock (_lock) return [.. _unacked]; }
    }

    /// <summary>Counts a stanza that goes out.</summary>
    public void OnSent(ReadOnlyMemory<byte> stanza)
    {
        lock (_lock)
        {
            Sent++;
            _unacked.Enqueue(stanza);
        }
    }

    /// <summary>Counts a stanza that came in.</summary>
    public void OnReceived() => Received++;

    /// <summary>The server counts what it sends from here on: what came between <c>&lt;enable/&gt;</c> and this is not counted.</summary>
    public void OnEnabled() => Received = 0;

    /// <summary>Takes the server's <c>h</c>.</summary>
    /// <exception cref="WireException">It is no number, goes back, or is more than was sent.</exception>
    public void OnAck(string? text)
    {
        if (!uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var h)) throw new WireException($"h='{text}' is not a number");
        lock (_lock)
        {
            if (h < Acked || h > Sent) throw new WireException($"h={h}, but {Acked} were acknowledged before and {Sent} sent");
            for (; Acked < h; Acked++) _unacked.Dequeue();
        }
    }

    /// <summary>The <c>&lt;a/&gt;</c> for what was received.</summary>
    public string Answer() => $"<a xmlns='{Ns.StreamManagement}' h='{Received}'/>";
}
