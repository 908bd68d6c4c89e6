#pragma warning disable CS9113 // bodies follow
namespace Indaba.Server.Storage;

/// <summary>The subscription states of a roster item (RFC 6121 section 2.1.2.5).</summary>
internal enum Subscription { None, To, From, Both }

/// <summary>
/// One contact. PendingIn is the subscribe stanza (UTF-8) that waits for the user's answer, Approved is a
/// pre-approval (RFC 6121 section 3.4), Version the roster version of its last change.
/// </summary>
internal sealed record RosterItem(string Jid, string? Name, Subscription Subscription, bool Ask, byte[]? PendingIn, bool Approved, IReadOnlyList<string> Groups, long Version = 0);

/// <summary>A whole roster.</summary>
internal sealed record RosterRows(long Version, IReadOnlyList<RosterItem> Items);

/// <summary>What changed since a version, each item in its present state (RFC 6121 section 2.6.3), in order of change. Item is null when it was removed.</summary>
internal sealed record RosterChange(string Jid, RosterItem? Item, long Version);

/// <summary>The changes since a version, and the version now.</summary>
internal sealed record RosterChanges(long Version, IReadOnlyList<RosterChange> Changes);

/// <summary>Rosters with versions (RFC 6121 sections 2 and 2.6).</summary>
internal sealed class RosterStore(Database database)
{
    /// <summary>All items of an account and its version (0 when it never had one).</summary>
    public Task<RosterRows> LoadAsync(long account, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Writes an item (its Version is ignored) and returns the new roster version, which the item now has.</summary>
    public Task<long> UpsertAsync(long account, RosterItem item, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Removes an item, leaving a tombstone, and returns the new roster version; null when there was none.</summary>
    public Task<long?> DeleteAsync(long account, string jid, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>The changes after a version; null when that version is unknown or too old to tell (send the whole roster then).</summary>
    public Task<RosterChanges?> ChangesSinceAsync(long account, long version, CancellationToken cancel = default) => throw new NotImplementedException();
}
