namespace Indaba.Server.Mailbox;

/// <summary>Which way a stanza went, seen from the account whose log it is in.</summary>
internal enum Direction : byte { In = 0, Out = 1 }

/// <summary>What a log entry is for.</summary>
[Flags]
internal enum EntryFlags : byte
{
    /// <summary>Kept, but neither shown nor delivered.</summary>
    None = 0,
    /// <summary>Shown by XEP-0313.</summary>
    Archived = 1,
    /// <summary>To be delivered to the account's devices.</summary>
    Pending = 2,
    /// <summary>No copies to other devices (XEP-0280 section 6).</summary>
    Private = 4,
}

/// <summary>One stanza in the log of one account.</summary>
internal sealed class LogEntry
{
    /// <summary>The account whose log this is.</summary>
    public required long Account { get; init; }
    /// <summary>The place in that log: positive, growing, given by the account's state under its lock; gaps are allowed.</summary>
    public required long Seq { get; init; }
    public required Direction Direction { get; init; }
    public required EntryFlags Flags { get; init; }
    /// <summary>The bare JID of the other side.</summary>
    public required string Peer { get; init; }
    /// <summary>The resource it was addressed to (the own one when it came in, the peer's when it went out), or null.</summary>
    public string? Target { get; init; }
    /// <summary>The full JID of the sender.</summary>
    public required string Sender { get; init; }
    /// <summary>The sending device's key, empty when it is not named.</summary>
    public string Device { get; init; } = "";
    /// <summary>The origin-id (XEP-0359), or null.</summary>
    public string? OriginId { get; init; }
    /// <summary>The stanza's own id attribute, or null.</summary>
    public string? MessageId { get; init; }
    /// <summary>When the server took it, in unix milliseconds.</summary>
    public required long At { get; init; }
    /// <summary>The stanza, UTF-8.</summary>
    public required byte[] Stanza { get; init; }
}
