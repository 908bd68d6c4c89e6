using System.Data.Common;
using System.Text.Json;

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

/// <summary>Rosters with versions (RFC 6121 sections 2 and 2.6). How many items a roster may have is decided by the caller, who has it in memory.</summary>
internal sealed class RosterStore(Database database)
{
    /// <summary>Removals remembered for an account; who knows an older version gets the whole roster.</summary>
    public const int MaxTombstones = 500;

    private const string Columns = "jid, name, subscription, ask, pending_in, approved, groups, version, removed";

    /// <summary>All items of an account and its version (0 when it never had one).</summary>
    public Task<RosterRows> LoadAsync(long account, CancellationToken cancel = default) => database.ReadAsync(account, static (connection, account) => new RosterRows(
        connection.Number("SELECT version FROM roster WHERE account = @account", ("account", account)) ?? 0,
        connection.Rows($"SELECT {Columns} FROM roster_item WHERE account = @account AND removed = 0", Read, ("account", account))), cancel);

    /// <summary>Writes an item (its Version is ignored) and returns the new roster version, which the item now has.</summary>
    public Task<long> UpsertAsync(long account, RosterItem item, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        var version = NextVersion(connection, account);
        connection.Run("""
            INSERT INTO roster_item (account, jid, version, removed, name, subscription, ask, approved, pending_in, groups)
            VALUES (@account, @jid, @version, 0, @name, @subscription, @ask, @approved, @pending, @groups)
            ON CONFLICT (account, jid) DO UPDATE SET version = @version, removed = 0, name = @name, subscription = @subscription,
                ask = @ask, approved = @approved, pending_in = @pending, groups = @groups
            """,
            ("account", account), ("jid", item.Jid), ("version", version), ("name", item.Name), ("subscription", (long)item.Subscription),
            ("ask", item.Ask ? 1L : 0L), ("approved", item.Approved ? 1L : 0L), ("pending", item.PendingIn),
            ("groups", item.Groups.Count == 0 ? null : JsonSerializer.Serialize(item.Groups)));
        return version;
    }, cancel);

    /// <summary>Removes an item, leaving a tombstone, and returns the new roster version; null when there was none.</summary>
    public Task<long?> DeleteAsync(long account, string jid, CancellationToken cancel = default) => database.WriteAsync<long?>(connection =>
    {
        if (connection.Number("SELECT version FROM roster_item WHERE account = @account AND jid = @jid AND removed = 0", ("account", account), ("jid", jid)) is null)
            return null;
        var version = NextVersion(connection, account);
        connection.Run("""
            UPDATE roster_item SET version = @version, removed = 1, name = NULL, subscription = 0, ask = 0, approved = 0, pending_in = NULL, groups = NULL
            WHERE account = @account AND jid = @jid
            """, ("account", account), ("jid", jid), ("version", version));
        Forget(connection, account);
        return version;
    }, cancel);

    /// <summary>The changes after a version; null when that version is unknown or too old to tell (send the whole roster then).</summary>
    public Task<RosterChanges?> ChangesSinceAsync(long account, long version, CancellationToken cancel = default) => database.ReadAsync((account, version), static (connection, since) =>
    {
        var now = connection.Number("SELECT version FROM roster WHERE account = @account", ("account", since.account)) ?? 0;
        var forgotten = connection.Number("SELECT forgotten FROM roster WHERE account = @account", ("account", since.account)) ?? 0;
        if (since.version > now || since.version < forgotten) return null;
        return new RosterChanges(now, connection.Rows(
            $"SELECT {Columns} FROM roster_item WHERE account = @account AND version > @version ORDER BY version",
            static row => new RosterChange(row.GetString(0), row.GetInt64(8) != 0 ? null : Read(row), row.GetInt64(7)),
            ("account", since.account), ("version", since.version)));
    }, cancel);

    /// <summary>
    /// The accounts whose roster says more of an address than its name and groups: a subscription, a request, an approval.
    /// Looks at every roster: for when an account is removed.
    /// </summary>
    public Task<IReadOnlyList<long>> HoldersAsync(string jid, CancellationToken cancel = default) => database.ReadAsync(jid, static (connection, jid) => (IReadOnlyList<long>)connection.Rows(
        "SELECT account FROM roster_item WHERE jid = @jid AND removed = 0 AND (subscription <> 0 OR ask <> 0 OR approved <> 0 OR pending_in IS NOT NULL)",
        static row => row.GetInt64(0), ("jid", jid)), cancel);

    private static long NextVersion(StoreConnection connection, long account)
    {
        if (!AccountStore.IsLive(connection, account)) throw new InvalidOperationException($"Account {account} is gone");
        return connection.Number("INSERT INTO roster (account, version) VALUES (@account, 1) ON CONFLICT (account) DO UPDATE SET version = roster.version + 1 RETURNING version", ("account", account))!.Value;
    }

    /// <summary>Drops the oldest tombstones beyond the bound and notes up to which version removals are no longer known.</summary>
    private static void Forget(StoreConnection connection, long account)
    {
        var newest = connection.Number("SELECT version FROM roster_item WHERE account = @account AND removed = 1 ORDER BY version DESC LIMIT 1 OFFSET @keep",
            ("account", account), ("keep", MaxTombstones));
        if (newest is null) return;
        connection.Run("DELETE FROM roster_item WHERE account = @account AND removed = 1 AND version <= @newest", ("account", account), ("newest", newest));
        connection.Run("UPDATE roster SET forgotten = @newest WHERE account = @account", ("account", account), ("newest", newest));
    }

    private static RosterItem Read(DbDataReader row) => new(
        row.GetString(0), row.StringOrNull(1), (Subscription)row.GetInt64(2), row.GetInt64(3) != 0, row.BytesOrNull(4), row.GetInt64(5) != 0,
        row.StringOrNull(6) is { } groups ? JsonSerializer.Deserialize<string[]>(groups)! : [], row.GetInt64(7));
}
