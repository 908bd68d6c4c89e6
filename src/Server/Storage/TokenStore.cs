using System.Data.Common;

namespace Indaba.Server.Storage;

/// <summary>The two slots of XEP-0484 section 5.1: a fresh token waits in New until its first use moves it to Current.</summary>
internal enum TokenSlot { Current, New }

/// <summary>A FAST token (XEP-0484). Device is the SASL2 user-agent id; LastCount the highest replay counter that was accepted.</summary>
internal sealed record FastToken(
    long Account, string Device, TokenSlot Slot, string Mechanism, string Secret, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt,
    DateTimeOffset? LastUsedAt = null, long? LastCount = null);

/// <summary>Tokens for returning devices (XEP-0484). At most two a device.</summary>
internal sealed class TokenStore(Database database)
{
    /// <summary>Devices of an account that may hold a token; the one whose token ends first makes room.</summary>
    public const int MaxDevices = DeviceStore.MaxDevices;

    /// <summary>The time of use is kept this exactly, so that most returning devices cost no write.</summary>
    private static readonly TimeSpan UseGrain = TimeSpan.FromHours(1);

    /// <summary>The unexpired tokens of a device, New before Current (the order in which to compare).</summary>
    public Task<IReadOnlyList<FastToken>> LoadAsync(long account, string device, CancellationToken cancel = default) =>
        database.ReadAsync((account, device, now: database.Time.GetUtcNow()), static IReadOnlyList<FastToken> (connection, key) => connection.Rows("""
            SELECT account, device, slot, mechanism, secret, created_at, expires_at, last_used_at, last_count FROM token
            WHERE account = @account AND device = @device AND expires_at > @now ORDER BY slot DESC
            """, Read, ("account", key.account), ("device", key.device), ("now", key.now.ToUnixTimeMilliseconds())), cancel);

    /// <summary>Puts a token in the New slot whatever its Slot says, replacing one that was never used. For a deleted account it does nothing.</summary>
    public Task IssueAsync(FastToken token, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        if (!AccountStore.IsLive(connection, token.Account)) return false;
        connection.Run("DELETE FROM token WHERE account = @account AND device = @device AND slot = @slot",
            ("account", token.Account), ("device", token.Device), ("slot", (long)TokenSlot.New));
        connection.Run("""
            DELETE FROM token WHERE account = @account AND device IN (
                SELECT device FROM token WHERE account = @account AND device <> @device GROUP BY device ORDER BY max(expires_at) DESC LIMIT @many OFFSET @keep)
            """, ("account", token.Account), ("device", token.Device), ("many", (long)int.MaxValue), ("keep", MaxDevices - 1L));
        connection.Run("""
            INSERT INTO token (account, device, slot, mechanism, secret, created_at, expires_at) VALUES (@account, @device, @slot, @mechanism, @secret, @created, @expires)
            """, ("account", token.Account), ("device", token.Device), ("slot", (long)TokenSlot.New), ("mechanism", token.Mechanism), ("secret", token.Secret),
            ("created", token.CreatedAt.ToUnixTimeMilliseconds()), ("expires", token.ExpiresAt.ToUnixTimeMilliseconds()));
        return true;
    }, cancel);

    /// <summary>
    /// Records a successful use: New becomes Current (the former Current dies), the counter and time of use are kept.
    /// False when the token is gone or expired by now, or the count is not above the last one: refuse the login then.
    /// </summary>
    public Task<bool> UseAsync(FastToken token, long? count, CancellationToken cancel = default)
    {
        var now = database.Time.GetUtcNow();
        if (token.Slot == TokenSlot.Current && count is null && token.LastUsedAt > now - UseGrain)
            return database.ReadAsync((token, now), static (connection, use) => connection.Number(
                "SELECT 1 FROM token WHERE account = @account AND device = @device AND secret = @secret AND slot = @slot AND expires_at > @now",
                ("account", use.token.Account), ("device", use.token.Device), ("secret", use.token.Secret), ("slot", (long)TokenSlot.Current),
                ("now", use.now.ToUnixTimeMilliseconds())) is not null, cancel);
        return database.WriteAsync(connection =>
        {
            var used = connection.Run("""
                UPDATE token SET last_used_at = @now, last_count = coalesce(CAST(@count AS BIGINT), last_count)
                WHERE account = @account AND device = @device AND secret = @secret AND expires_at > @now AND (CAST(@count AS BIGINT) IS NULL OR last_count IS NULL OR last_count < @count)
                """, ("account", token.Account), ("device", token.Device), ("secret", token.Secret), ("now", now.ToUnixTimeMilliseconds()), ("count", count)) > 0;
            if (!used) return false;
            // Seen by its secret, not by what the caller read: another login may have moved it meanwhile.
            if (connection.Number("SELECT slot FROM token WHERE account = @account AND device = @device AND secret = @secret",
                ("account", token.Account), ("device", token.Device), ("secret", token.Secret)) == (long)TokenSlot.New)
            {
                connection.Run("DELETE FROM token WHERE account = @account AND device = @device AND slot = @slot",
                    ("account", token.Account), ("device", token.Device), ("slot", (long)TokenSlot.Current));
                connection.Run("UPDATE token SET slot = @slot WHERE account = @account AND device = @device AND secret = @secret",
                    ("account", token.Account), ("device", token.Device), ("secret", token.Secret), ("slot", (long)TokenSlot.Current));
            }
            return true;
        }, cancel);
    }

    /// <summary>Kills one token (XEP-0484 section 3.6); false when it was gone.</summary>
    public Task<bool> InvalidateAsync(FastToken token, CancellationToken cancel = default) => database.WriteAsync(connection => connection.Run(
        "DELETE FROM token WHERE account = @account AND device = @device AND secret = @secret",
        ("account", token.Account), ("device", token.Device), ("secret", token.Secret)) > 0, cancel);

    /// <summary>Kills the tokens of one device, or of all devices when <paramref name="device"/> is null; returns how many.</summary>
    public Task<int> InvalidateAllAsync(long account, string? device = null, CancellationToken cancel = default) => database.WriteAsync(connection => device is null
        ? connection.Run("DELETE FROM token WHERE account = @account", ("account", account))
        : connection.Run("DELETE FROM token WHERE account = @account AND device = @device", ("account", account), ("device", device)), cancel);

    /// <summary>Removes expired tokens, at most <paramref name="limit"/>; returns how many.</summary>
    public Task<int> PruneAsync(int limit, CancellationToken cancel = default) => database.WriteAsync(connection => connection.Run("""
        DELETE FROM token WHERE (account, device, slot) IN (SELECT account, device, slot FROM token WHERE expires_at <= @now ORDER BY expires_at LIMIT @limit)
        """, ("now", database.Time.GetUtcNow().ToUnixTimeMilliseconds()), ("limit", limit)), cancel);

    private static FastToken Read(DbDataReader row) => new(
        row.GetInt64(0), row.GetString(1), (TokenSlot)row.GetInt64(2), row.GetString(3), row.GetString(4), row.Time(5), row.Time(6),
        row.IsDBNull(7) ? null : row.Time(7), row.LongOrNull(8));
}
