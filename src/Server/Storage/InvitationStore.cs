using System.Data.Common;

namespace Indaba.Server.Storage;

/// <summary>
/// An invitation (XEP-0401, XEP-0379, XEP-0445). Kind is the inviter's word for it (<c>account</c>, <c>contact</c>, …);
/// CreatedBy is null when the operator made it; RosterJid is who becomes a contact of the invited one; Local is
/// the name of the account if it was chosen: nobody else can take it while the invitation is open (XEP-0445 section 5).
/// </summary>
internal sealed record Invitation(
    string Token, string Kind, long? CreatedBy, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt, int MaxUses, int Uses, Role Role, string? RosterJid, string? Local = null);

/// <summary>Invitations: tokens from a CSPRNG, with an end and a number of uses. Those of an account go when it is deleted.</summary>
internal sealed class InvitationStore(Database database)
{
    private const string Columns = "token, kind, created_by, created_at, expires_at, max_uses, uses, role, roster_jid, local";

    /// <summary>Keeps a new invitation; false when the token exists.</summary>
    public Task<bool> CreateAsync(Invitation invitation, CancellationToken cancel = default) => database.WriteAsync(connection => Create(connection, invitation), cancel);

    /// <summary>Keeps a new invitation for a chosen name; false when an account has the name or another invitation keeps it.</summary>
    public Task<bool> ReserveAsync(Invitation invitation, string domain, CancellationToken cancel = default) => database.WriteAsync(connection =>
        connection.Number("SELECT id FROM account WHERE local = @local AND domain = @domain AND deleted_at IS NULL", ("local", invitation.Local!), ("domain", domain)) is null
        && !IsReserved(connection, invitation.Local!, null, invitation.CreatedAt) && Create(connection, invitation), cancel);

    /// <summary>True when an open invitation keeps a name, other than the one with this token.</summary>
    internal static bool IsReserved(StoreConnection connection, string local, string? token, DateTimeOffset now) => connection.Number(
        "SELECT 1 FROM invitation WHERE local = @local AND uses < max_uses AND expires_at > @now AND token <> @token LIMIT 1",
        ("local", local), ("now", now.ToUnixTimeMilliseconds()), ("token", token ?? "")) is not null;

    private static bool Create(StoreConnection connection, Invitation invitation) => connection.Run("""
        INSERT INTO invitation (token, kind, created_by, created_at, expires_at, max_uses, uses, role, roster_jid, local)
        VALUES (@token, @kind, @creator, @created, @expires, @max, @uses, @role, @roster, @local) ON CONFLICT (token) DO NOTHING
        """,
        ("token", invitation.Token), ("kind", invitation.Kind), ("creator", invitation.CreatedBy), ("created", invitation.CreatedAt.ToUnixTimeMilliseconds()),
        ("expires", invitation.ExpiresAt.ToUnixTimeMilliseconds()), ("max", (long)invitation.MaxUses), ("uses", (long)invitation.Uses),
        ("role", (long)invitation.Role), ("roster", invitation.RosterJid), ("local", invitation.Local)) > 0;

    /// <summary>An invitation that can be used now, or null (unknown, used up or expired).</summary>
    public Task<Invitation?> FindAsync(string token, CancellationToken cancel = default) => FindAsync(token, database.Time.GetUtcNow(), cancel);

    /// <summary>An invitation that is not used up and had not expired at a time, or null.</summary>
    public Task<Invitation?> FindAsync(string token, DateTimeOffset at, CancellationToken cancel = default) =>
        database.ReadAsync((token, at), static (connection, key) => Find(connection, key.token, key.at), cancel);

    /// <summary>Counts one use, if one is left and it has not expired; returns the row after it, or null. Of two at once for the last use one wins.</summary>
    public Task<Invitation?> TryUseAsync(string token, CancellationToken cancel = default) =>
        database.WriteAsync(connection => TryUse(connection, token, database.Time.GetUtcNow()), cancel);

    /// <summary>Invitations made by an account (null: by anybody), newest first, at most <paramref name="limit"/>, expired and used ones included.</summary>
    public Task<IReadOnlyList<Invitation>> ListAsync(long? createdBy, int limit, CancellationToken cancel = default) =>
        database.ReadAsync((createdBy, limit), static IReadOnlyList<Invitation> (connection, page) => page.createdBy is { } creator
            ? connection.Rows($"SELECT {Columns} FROM invitation WHERE created_by = @creator ORDER BY created_at DESC, token LIMIT @limit", Read, ("creator", creator), ("limit", page.limit))
            : connection.Rows($"SELECT {Columns} FROM invitation ORDER BY created_at DESC, token LIMIT @limit", Read, ("limit", page.limit)), cancel);

    /// <summary>Removes an invitation; with <paramref name="createdBy"/> only when that account made it. False when there was none.</summary>
    public Task<bool> RevokeAsync(string token, long? createdBy = null, CancellationToken cancel = default) => database.WriteAsync(connection => createdBy is { } creator
        ? connection.Run("DELETE FROM invitation WHERE token = @token AND created_by = @creator", ("token", token), ("creator", creator)) > 0
        : connection.Run("DELETE FROM invitation WHERE token = @token", ("token", token)) > 0, cancel);

    /// <summary>Removes those expired before <paramref name="before"/>, at most <paramref name="limit"/>; returns how many.</summary>
    public Task<int> PruneAsync(DateTimeOffset before, int limit, CancellationToken cancel = default) => database.WriteAsync(connection => connection.Run(
        "DELETE FROM invitation WHERE token IN (SELECT token FROM invitation WHERE expires_at < @before ORDER BY expires_at LIMIT @limit)",
        ("before", before.ToUnixTimeMilliseconds()), ("limit", limit)), cancel);

    internal static Invitation? Find(StoreConnection connection, string token, DateTimeOffset now) => connection.Row(
        $"SELECT {Columns} FROM invitation WHERE token = @token AND uses < max_uses AND expires_at > @now", Read, ("token", token), ("now", now.ToUnixTimeMilliseconds()));

    internal static Invitation? TryUse(StoreConnection connection, string token, DateTimeOffset now) => connection.Row(
        $"UPDATE invitation SET uses = uses + 1 WHERE token = @token AND uses < max_uses AND expires_at > @now RETURNING {Columns}",
        Read, ("token", token), ("now", now.ToUnixTimeMilliseconds()));

    private static Invitation Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.LongOrNull(2), row.Time(3), row.Time(4), row.GetInt32(5), row.GetInt32(6), (Role)row.GetInt64(7), row.StringOrNull(8), row.StringOrNull(9));
}
