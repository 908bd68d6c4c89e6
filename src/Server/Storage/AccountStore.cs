using System.Data.Common;

namespace Indaba.Server.Storage;

/// <summary>What an account may do on the server.</summary>
internal enum Role { User, Admin }

/// <summary>What the server keeps to check a password by SCRAM (RFC 5802 section 3). Hash is the mechanism's name without -PLUS, as in <c>SCRAM-SHA-256</c>.</summary>
internal sealed record Credential(string Hash, byte[] Salt, int Iterations, byte[] StoredKey, byte[] ServerKey);

/// <summary>A live account. Id is never used again, Tag is its short random public name ([a-z2-7], 8 characters).</summary>
internal sealed record AccountRow(long Id, string Tag, string Local, string Domain, Role Role, bool Disabled, DateTimeOffset CreatedAt);

/// <summary>How a registration by invitation ended.</summary>
internal enum InvitedOutcome { Created, NameTaken, InvitationInvalid }

/// <summary>The result of a registration by invitation; the rows are set for <see cref="InvitedOutcome.Created"/> only.</summary>
internal sealed record InvitedResult(InvitedOutcome Outcome, AccountRow? Account, Invitation? Invitation);

/// <summary>Accounts and their credentials.</summary>
internal sealed class AccountStore(Database database)
{
    private const string Columns = "id, tag, local, domain, role, disabled, created_at";

    /// <summary>Every table with rows of an account; they go with it. The log follows in slices (<see cref="Mailbox.MailboxLog.PurgeDeletedAsync"/>).</summary>
    private static readonly string[] Owned =
    [
        "DELETE FROM credential WHERE account = @id", "DELETE FROM token WHERE account = @id", "DELETE FROM device WHERE account = @id",
        "DELETE FROM roster_item WHERE account = @id", "DELETE FROM roster WHERE account = @id", "DELETE FROM data WHERE account = @id",
        "DELETE FROM invitation WHERE created_by = @id", "DELETE FROM cursor WHERE account = @id", "DELETE FROM conversation WHERE account = @id",
        "DELETE FROM resumption WHERE account = @id",
    ];

    /// <summary>The live account of an address, or null. Arguments are prepared (PRECIS) parts of a JID.</summary>
    public Task<AccountRow?> FindAsync(string local, string domain, CancellationToken cancel = default) =>
        database.ReadAsync((local, domain), static (connection, name) => connection.Row(
            $"SELECT {Columns} FROM account WHERE local = @local AND domain = @domain AND deleted_at IS NULL", Read, ("local", name.local), ("domain", name.domain)), cancel);

    /// <summary>The live account of an id, or null.</summary>
    public Task<AccountRow?> FindByIdAsync(long id, CancellationToken cancel = default) =>
        database.ReadAsync(id, static (connection, id) => connection.Row($"SELECT {Columns} FROM account WHERE id = @id AND deleted_at IS NULL", Read, ("id", id)), cancel);

    /// <summary>The live account of a tag, or null.</summary>
    public Task<AccountRow?> FindByTagAsync(string tag, CancellationToken cancel = default) =>
        database.ReadAsync(tag, static (connection, tag) => connection.Row($"SELECT {Columns} FROM account WHERE tag = @tag AND deleted_at IS NULL", Read, ("tag", tag)), cancel);

    /// <summary>The credentials of a live account; empty when there is none.</summary>
    public Task<IReadOnlyList<Credential>> CredentialsAsync(long id, CancellationToken cancel = default) =>
        database.ReadAsync(id, static IReadOnlyList<Credential> (connection, id) => connection.Rows(
            "SELECT hash, salt, iterations, stored_key, server_key FROM credential WHERE account = @id",
            static row => new Credential(row.GetString(0), row.GetFieldValue<byte[]>(1), row.GetInt32(2), row.GetFieldValue<byte[]>(3), row.GetFieldValue<byte[]>(4)),
            ("id", id)), cancel);

    /// <summary>Creates an account; null when the name is taken, or kept by an open invitation.</summary>
    public Task<AccountRow?> CreateAsync(string local, string domain, Role role, IReadOnlyList<Credential> credentials, CancellationToken cancel = default) =>
        database.WriteAsync(connection => Create(connection, local, domain, role, credentials, null), cancel);

    /// <summary>Creates an account with the role of an invitation and counts one use of it, both or neither.</summary>
    public Task<InvitedResult> CreateInvitedAsync(string token, string local, string domain, IReadOnlyList<Credential> credentials, CancellationToken cancel = default) =>
        CreateInvitedAsync(token, local, domain, credentials, database.Time.GetUtcNow(), cancel);

    /// <summary>As above, for an invitation that was accepted at an earlier time: that it has expired since does not matter (XEP-0445 section 4).</summary>
    public Task<InvitedResult> CreateInvitedAsync(string token, string local, string domain, IReadOnlyList<Credential> credentials, DateTimeOffset acceptedAt, CancellationToken cancel) =>
        database.WriteAsync(connection =>
        {
            if (InvitationStore.Find(connection, token, acceptedAt) is not { } invitation)
                return new InvitedResult(InvitedOutcome.InvitationInvalid, null, null);
            if ((invitation.Local is not null && invitation.Local != local) || Create(connection, local, domain, invitation.Role, credentials, token) is not { } account)
                return new InvitedResult(InvitedOutcome.NameTaken, null, null);
            return new InvitedResult(InvitedOutcome.Created, account, InvitationStore.TryUse(connection, token, acceptedAt));
        }, cancel);

    /// <summary>
    /// Marks an account deleted and removes its data from every table in one job; its log is removed in slices by
    /// <see cref="Mailbox.MailboxLog"/> afterwards. False when there was no such live account.
    /// </summary>
    public Task<bool> DeleteAsync(long id, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        var now = database.Time.GetUtcNow().ToUnixTimeMilliseconds();
        if (connection.Run("UPDATE account SET deleted_at = @now WHERE id = @id AND deleted_at IS NULL", ("id", id), ("now", now)) == 0) return false;
        foreach (var sql in Owned) connection.Run(sql, ("id", id));
        connection.Run("INSERT INTO log_purge (account, at) VALUES (@id, @now)", ("id", id), ("now", now));
        return true;
    }, cancel);

    /// <summary>Replaces all credentials and deletes the account's FAST tokens in the same job. False when there is no such live account.</summary>
    public Task<bool> SetPasswordAsync(long id, IReadOnlyList<Credential> credentials, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        if (!IsLive(connection, id)) return false;
        connection.Run("DELETE FROM credential WHERE account = @id", ("id", id));
        connection.Run("DELETE FROM token WHERE account = @id", ("id", id));
        AddCredentials(connection, id, credentials);
        return true;
    }, cancel);

    /// <summary>Gives another role. False when there is no such live account.</summary>
    public Task<bool> SetRoleAsync(long id, Role role, CancellationToken cancel = default) => database.WriteAsync(connection =>
        connection.Run("UPDATE account SET role = @role WHERE id = @id AND deleted_at IS NULL", ("id", id), ("role", (long)role)) > 0, cancel);

    /// <summary>Disables or enables; disabling deletes the FAST tokens. False when there is no such live account.</summary>
    public Task<bool> SetDisabledAsync(long id, bool disabled, CancellationToken cancel = default) => database.WriteAsync(connection =>
    {
        if (connection.Run("UPDATE account SET disabled = @disabled WHERE id = @id AND deleted_at IS NULL", ("id", id), ("disabled", disabled ? 1L : 0L)) == 0) return false;
        if (disabled) connection.Run("DELETE FROM token WHERE account = @id", ("id", id));
        return true;
    }, cancel);

    /// <summary>Live accounts with an id above <paramref name="after"/>, ascending, at most <paramref name="limit"/>.</summary>
    public Task<IReadOnlyList<AccountRow>> ListAsync(long after, int limit, CancellationToken cancel = default) =>
        database.ReadAsync((after, limit), static IReadOnlyList<AccountRow> (connection, page) => connection.Rows(
            $"SELECT {Columns} FROM account WHERE id > @after AND deleted_at IS NULL ORDER BY id LIMIT @limit", Read, ("after", page.after), ("limit", page.limit)), cancel);

    /// <summary>How many live accounts there are.</summary>
    public Task<long> CountAsync(CancellationToken cancel = default) =>
        database.ReadAsync(0, static (connection, _) => connection.Number("SELECT count(*) FROM account WHERE deleted_at IS NULL") ?? 0, cancel);

    /// <summary>Whether an account lives; for jobs that must not write for one that was deleted meanwhile.</summary>
    internal static bool IsLive(StoreConnection connection, long id) =>
        connection.Number("SELECT id FROM account WHERE id = @id AND deleted_at IS NULL", ("id", id)) is not null;

    private AccountRow? Create(StoreConnection connection, string local, string domain, Role role, IReadOnlyList<Credential> credentials, string? token)
    {
        if (InvitationStore.IsReserved(connection, local, token, database.Time.GetUtcNow())) return null;
        if (connection.Number("SELECT id FROM account WHERE local = @local AND domain = @domain AND deleted_at IS NULL", ("local", local), ("domain", domain)) is not null)
            return null;
        string tag;
        do tag = Ids.New(8);
        while (connection.Number("SELECT id FROM account WHERE tag = @tag", ("tag", tag)) is not null);
        var id = connection.Number("INSERT INTO account (tag, local, domain, role, created_at) VALUES (@tag, @local, @domain, @role, @now) RETURNING id",
            ("tag", tag), ("local", local), ("domain", domain), ("role", (long)role), ("now", database.Time.GetUtcNow().ToUnixTimeMilliseconds()))!.Value;
        AddCredentials(connection, id, credentials);
        return connection.Row($"SELECT {Columns} FROM account WHERE id = @id", Read, ("id", id));
    }

    private static void AddCredentials(StoreConnection connection, long id, IReadOnlyList<Credential> credentials)
    {
        foreach (var credential in credentials)
            connection.Run("INSERT INTO credential (account, hash, salt, iterations, stored_key, server_key) VALUES (@id, @hash, @salt, @iterations, @stored, @server)",
                ("id", id), ("hash", credential.Hash), ("salt", credential.Salt), ("iterations", (long)credential.Iterations),
                ("stored", credential.StoredKey), ("server", credential.ServerKey));
    }

    private static AccountRow Read(DbDataReader row) =>
        new(row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), (Role)row.GetInt64(4), row.GetInt64(5) != 0, row.Time(6));
}
