using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Xmpp;

namespace Indaba.Server.Admin;

/// <summary>Where is my message? Follows one message through both logs, the devices' cursors and the conversation's ticks.</summary>
internal static class MessageLife
{
    // How far back a message is looked for by the client's own id.
    private const int Keys = 20_000;

    /// <summary>
    /// Finds a message by a stanza-id (XEP-0359), or, with an account, by the id or origin-id that the client gave it.
    /// Null when there is none.
    /// </summary>
    public static async Task<MessageInfo?> FindAsync(AdminServices services, string id, string? account, CancellationToken cancel)
    {
        var (owner, entry) = account is { Length: > 0 }
            ? await ByClientIdAsync(services, account, id, cancel).ConfigureAwait(false)
            : await ByStanzaIdAsync(services, id, cancel).ConfigureAwait(false);
        if (owner is null || entry is null) return null;
        var (otherOwner, other) = await CounterpartAsync(services, owner, entry, cancel).ConfigureAwait(false);

        var outgoing = entry.Direction == Direction.Out;
        var (sender, sent) = outgoing ? (owner, entry) : (otherOwner, other);
        var (recipient, taken) = outgoing ? (otherOwner, other) : (owner, entry);
        var ticks = sender is not null && sent is not null ? await services.Mailbox.Conversations.FindAsync(sender.Id, sent.Peer, cancel).ConfigureAwait(false) : null;
        return new MessageInfo(
            entry.MessageId, entry.Sender, outgoing ? Full(entry.Peer, entry.Target) : Full(AdminApi.Address(owner), entry.Target), Time(entry.At),
            sender is null || sent is null ? null : StanzaIds.Format(sender.Tag, sent.Seq),
            recipient is null || taken is null ? null : StanzaIds.Format(recipient.Tag, taken.Seq),
            ticks is not null && ticks.DeliveredSeq >= sent!.Seq ? Time(ticks.DeliveredAt) : null,
            ticks is not null && ticks.DisplayedSeq >= sent!.Seq ? Time(ticks.DisplayedAt) : null,
            recipient is null || taken is null ? [] : await DevicesAsync(services, recipient, taken, cancel).ConfigureAwait(false));
    }

    private static async Task<(AccountRow?, LogEntry?)> ByStanzaIdAsync(AdminServices services, string id, CancellationToken cancel)
    {
        if (!StanzaIds.TryParse(id, out var tag, out var seq)) return default;
        var owner = await services.AccountRows.FindByTagAsync(tag, cancel).ConfigureAwait(false);
        return owner is null ? default : (owner, await services.Mailbox.FindAsync(owner.Id, seq, cancel).ConfigureAwait(false));
    }

    private static async Task<(AccountRow?, LogEntry?)> ByClientIdAsync(AdminServices services, string account, string id, CancellationToken cancel)
    {
        if (await services.Accounts.FindAsync(account, cancel).ConfigureAwait(false) is not { } owner) return default;
        var keys = await services.Mailbox.TailKeysAsync(owner.Id, Keys, cancel).ConfigureAwait(false);
        var key = keys.LastOrDefault(k => k.MessageId == id || k.OriginId == id);
        return key == default ? default : (owner, await services.Mailbox.FindAsync(owner.Id, key.Seq, cancel).ConfigureAwait(false));
    }

    /// <summary>The other side's copy, when that side is an account of this server and the message has an id to find it by.</summary>
    private static async Task<(AccountRow?, LogEntry?)> CounterpartAsync(AdminServices services, AccountRow owner, LogEntry entry, CancellationToken cancel)
    {
        if (!Jid.TryParse(entry.Peer, out var peer) || peer.Local is null) return default;
        var other = await services.AccountRows.FindAsync(peer.Local, peer.Domain, cancel).ConfigureAwait(false);
        if (other is null || entry.MessageId is null) return (other, null);
        var direction = entry.Direction == Direction.Out ? Direction.In : Direction.Out;
        return (other, await services.Mailbox.FindByMessageIdAsync(other.Id, AdminApi.Address(owner), entry.MessageId, direction, Keys, cancel).ConfigureAwait(false));
    }

    private static async Task<IReadOnlyList<MessageDevice>> DevicesAsync(AdminServices services, AccountRow account, LogEntry entry, CancellationToken cancel)
    {
        var cursors = await services.Mailbox.Cursors.LoadAsync(account.Id, cancel).ConfigureAwait(false);
        var sessions = await services.Processes.DevicesAsync(account.Id, entry.Seq, cancel).ConfigureAwait(false);
        var rows = new List<MessageDevice>();
        foreach (var cursor in cursors.Where(c => entry.Target is null || c.Resource == entry.Target))
        {
            var session = sessions.FirstOrDefault(s => s.Device == cursor.Device && s.Resource == cursor.Resource) ?? sessions.FirstOrDefault(s => cursor.Device.Length > 0 && s.Device == cursor.Device);
            var state = cursor.AckedSeq >= entry.Seq ? "acked" : session is null ? "waiting" : session.Holds ? "sent" : "queued";
            rows.Add(new MessageDevice(cursor.Device, cursor.Resource, state, Time(cursor.At), session?.Session));
        }
        // A device that has never acked anything has no cursor yet.
        foreach (var session in sessions.Where(s => (entry.Target is null || s.BoundResource == entry.Target) && !cursors.Any(c => c.Device == s.Device && c.Resource == s.Resource)))
            rows.Add(new MessageDevice(session.Device, session.Resource, session.Holds ? "sent" : "queued", null, session.Session));
        return rows;
    }

    private static string Full(string bare, string? resource) => resource is null ? bare : $"{bare}/{resource}";

    private static DateTimeOffset Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
}
