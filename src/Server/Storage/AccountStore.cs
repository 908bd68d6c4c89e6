#pragma warning disable CS9113 // bodies follow
namespace Indaba.Server.Storage;

/// <summary>What an account may do on the server.</summary>
internal enum Role { User, Admin }

/// <summary>What the server keeps to check a password by SCRAM (RFC 5802 section 3). Hash is the mechanism's name without -PLUS, as in <c>SCRAM-SHA-256</c>.</summary>
internal sealed record Credential(string Hash, byte[] Salt, int Iterations, byte[] StoredKey, byte[] ServerKey);

/// <summary>A live account. Id is never used again, Tag is its short random public name ([a-z2-7], 8 characters).</summary>
internal sealed record AccountRow(long Id, string Tag, string Local, string Domain, Role Role, bool Disabled, DateTimeOffset CreatedAt);

/// <summary>How a registration by invitation ended.</summary>
internal enum InvitedOutcome { Created, NameTaken, InvitationInvalid }

/// <summary>The result of <see cref="AccountStore.CreateInvitedAsync"/>; the rows are set for <see cref="InvitedOutcome.Created"/> only.</summary>
internal sealed record InvitedResult(InvitedOutcome Outcome, AccountRow? Account, Invitation? Invitation);

/// <summary>Accounts and their credentials.</summary>
internal sealed class AccountStore(Database database)
{
    /// <summary>The live account of an address, or null. Arguments are prepared (PRECIS) parts of a JID.</summary>
    public Task<AccountRow?> FindAsync(string local, string domain, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>The live account of an id, or null.</summary>
    public Task<AccountRow?> FindByIdAsync(long id, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>The live account of a tag, or null.</summary>
    public Task<AccountRow?> FindByTagAsync(string tag, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>The credentials of a live account; empty when there is none.</summary>
    public Task<IReadOnlyList<Credential>> CredentialsAsync(long id, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Creates an account; null when the name is taken.</summary>
    public Task<AccountRow?> CreateAsync(string local, string domain, Role role, IReadOnlyList<Credential> credentials, CancellationToken cancel = default) =>
        throw new NotImplementedException();

    /// <summary>Creates an account with the role of an invitation and counts one use of it, both or neither.</summary>
    public Task<InvitedResult> CreateInvitedAsync(string token, string local, string domain, IReadOnlyList<Credential> credentials, CancellationToken cancel = default) =>
        throw new NotImplementedException();

    /// <summary>
    /// Marks an account deleted and removes its data from every table in one job; its log is removed in slices by
    /// <see cref="Mailbox.MailboxLog"/> afterwards. False when there was no such live account.
    /// </summary>
    public Task<bool> DeleteAsync(long id, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Replaces all credentials and deletes the account's FAST tokens in the same job. False when there is no such live account.</summary>
    public Task<bool> SetPasswordAsync(long id, IReadOnlyList<Credential> credentials, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Gives another role. False when there is no such live account.</summary>
    public Task<bool> SetRoleAsync(long id, Role role, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Disables or enables; disabling deletes the FAST tokens. False when there is no such live account.</summary>
    public Task<bool> SetDisabledAsync(long id, bool disabled, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Live accounts with an id above <paramref name="after"/>, ascending, at most <paramref name="limit"/>.</summary>
    public Task<IReadOnlyList<AccountRow>> ListAsync(long after, int limit, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>How many live accounts there are.</summary>
    public Task<long> CountAsync(CancellationToken cancel = default) => throw new NotImplementedException();
}
