using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Sessions;

/// <summary>
/// What an inactive client (XEP-0352) need not have now: presence, of which only the newest of each sender counts, and
/// chat states. It goes out before the next thing that matters, or when the client is active again. Bounded: when it is
/// full, all of it goes out. Guarded by its session's lock.
/// </summary>
internal sealed class HeldBack
{
    /// <summary>Stanzas held; half of the smallest usual window, so that what is released leaves room for messages.</summary>
    public const int MaxItems = 256;
    /// <summary>Bytes held.</summary>
    public const int MaxBytes = 65_536;
    private readonly OrderedDictionary<string, byte[]> _items = new(StringComparer.Ordinal);
    private int _bytes;

    /// <summary>How many stanzas are held.</summary>
    public int Count => _items.Count;

    /// <summary>Holds a stanza in place of an older one with the same key; false when there is no room, so all must go.</summary>
    public bool Take(string key, byte[] bytes)
    {
        if (_items.Remove(key, out var old)) _bytes -= old.Length;
        if (_items.Count >= MaxItems || _bytes + bytes.Length > MaxBytes) return false;
        _items.Add(key, bytes);
        _bytes += bytes.Length;
        return true;
    }

    /// <summary>Hands everything over, oldest first.</summary>
    public void Release(Action<byte[]> to)
    {
        foreach (var (_, bytes) in _items) to(bytes);
        _items.Clear();
        _bytes = 0;
    }

    /// <summary>
    /// What stands for all stanzas that this one replaces, or null when it matters now: subscriptions, errors, the answer
    /// to entering a room (XEP-0045 section 7.2.2, status 110), and any message with content.
    /// </summary>
    public static string? KeyOf(Element stanza)
    {
        if (stanza["from"] is not { } from) return null;
        if (stanza.Name == "presence") return stanza["type"] is null or "unavailable" && !IsOwnEntry(stanza) ? "p " + from : null;
        return stanza.Name == "message" && IsChatState(stanza) ? "m " + from : null;
    }

    private static bool IsOwnEntry(Element presence)
    {
        if (presence.Child("x", Ns.MucUser) is not { } x) return false;
        foreach (var status in x.Children("status", Ns.MucUser)) if (status["code"] == "110") return true;
        return false;
    }

    /// <summary>True for a message that carries nothing but a chat state (XEP-0085).</summary>
    private static bool IsChatState(Element message)
    {
        var state = false;
        foreach (var child in message.Elements)
        {
            if (child.Namespace == Ns.ChatStates) state = true;
            else if (child.Namespace is not (Ns.Hints or Ns.StanzaIds) && !child.Is("thread", Ns.Client)) return false;
        }
        return state && message["type"] != "error";
    }
}
