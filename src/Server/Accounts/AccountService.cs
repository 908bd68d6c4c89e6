using System.Security.Cryptography;
using System.Text;
using Indaba.Server.Options;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Xmpp;
using Indaba.Xmpp.Sasl;

namespace Indaba.Server.Accounts;

/// <summary>How an operation on an account ended.</summary>
internal enum AccountOutcome
{
    Done,
    /// <summary>The name is not a localpart (RFC 7622 section 3.3), or too long.</summary>
    NameInvalid,
    NameTaken,
    PasswordTooShort,
    /// <summary>Empty, over <see cref="AccountService.MaxPasswordBytes"/>, or with characters that SASLprep forbids (RFC 4013).</summary>
    PasswordInvalid,
    /// <summary>There is no such account.</summary>
    NotFound,
    /// <summary>The invitation is unknown, used up, expired, or not for this.</summary>
    InvitationInvalid,
    /// <summary>The settings allow no registration of this kind.</summary>
    RegistrationClosed,
}

/// <summary>The result of an operation on an account; the row is set when it is done.</summary>
internal sealed record AccountResult(AccountOutcome Outcome, AccountRow? Account = null, Invitation? Invitation = null)
{
    public bool IsDone => Outcome == AccountOutcome.Done;
}

/// <summary>Why the sessions of an account must end.</summary>
internal enum SessionsEnd { PasswordChanged, Disabled, Deleted }

/// <summary>Makes and changes accounts: names by PRECIS, keys by SCRAM, and no session outlives what it was opened with.</summary>
internal sealed class AccountService(AccountStore accounts, Settings settings)
{
    /// <summary>Bytes of a name. RFC 7622 allows 1,023; nobody can type or read these.</summary>
    public const int MaxNameBytes = 64;
    /// <summary>Bytes of a password: a bound on what is hashed.</summary>
    public const int MaxPasswordBytes = 1_024;
    private const int SaltBytes = 16;
    private static readonly ScramHash[] Hashes = [ScramHash.Sha1, ScramHash.Sha256, ScramHash.Sha512];

    // Deriving takes about 10 ms of a processor for each password: never more at once than there are processors.
    private static readonly SemaphoreSlim Deriving = new(Environment.ProcessorCount);

    /// <summary>
    /// Ends the sessions of an account, on all nodes, but for one that may stay, and completes when no stanza of theirs is taken any more. For
    /// <see cref="SessionsEnd.Deleted"/> the account is disabled but still there, so that its contacts can be told.
    /// </summary>
    public Func<AccountRow, SessionsEnd, Session?, Task>? EndSessions { get; set; }

    /// <summary>Creates an account on the server's domain for the operator, who may choose any password. The name is prepared: "Alice" becomes "alice".</summary>
    public async Task<AccountResult> CreateAsync(string name, string password, Role role, CancellationToken cancel = default)
    {
        var (outcome, jid, credentials) = await PrepareAsync(name, password, 1, cancel).ConfigureAwait(false);
        if (outcome != AccountOutcome.Done) return new AccountResult(outcome);
        var row = await accounts.CreateAsync(jid.Local!, jid.Domain, role, credentials, cancel).ConfigureAwait(false);
        return row is null ? new AccountResult(AccountOutcome.NameTaken) : new AccountResult(AccountOutcome.Done, row);
    }

    /// <summary>Creates an account for a stranger who asks for one (XEP-0077), where the settings allow that.</summary>
    public async Task<AccountResult> RegisterAsync(string name, string password, CancellationToken cancel = default)
    {
        var registration = settings.Current.Registration;
        if (registration.Mode != RegistrationMode.Open) return new AccountResult(AccountOutcome.RegistrationClosed);
        var (outcome, jid, credentials) = await PrepareAsync(name, password, registration.MinPasswordLength, cancel).ConfigureAwait(false);
        if (outcome != AccountOutcome.Done) return new AccountResult(outcome);
        var row = await accounts.CreateAsync(jid.Local!, jid.Domain, Role.User, credentials, cancel).ConfigureAwait(false);
        return row is null ? new AccountResult(AccountOutcome.NameTaken) : new AccountResult(AccountOutcome.Done, row);
    }

    /// <summary>Creates an account by an invitation and counts its use, both or neither. See <see cref="Invitations"/>.</summary>
    internal async Task<AccountResult> CreateInvitedAsync(string token, string name, string password, DateTimeOffset acceptedAt, CancellationToken cancel)
    {
        var (outcome, jid, credentials) = await PrepareAsync(name, password, settings.Current.Registration.MinPasswordLength, cancel).ConfigureAwait(false);
        if (outcome != AccountOutcome.Done) return new AccountResult(outcome);
        var result = await accounts.CreateInvitedAsync(token, jid.Local!, jid.Domain, credentials, acceptedAt, cancel).ConfigureAwait(false);
        return result.Outcome switch
        {
            InvitedOutcome.Created => new AccountResult(AccountOutcome.Done, result.Account, result.Invitation),
            InvitedOutcome.NameTaken => new AccountResult(AccountOutcome.NameTaken),
            _ => new AccountResult(AccountOutcome.InvitationInvalid),
        };
    }

    /// <summary>Sets a password: FAST tokens die with the old one, and the sessions that were opened with it end.</summary>
    /// <param name="byOperator">The operator may choose any password; a user is held to the shortest length of the settings.</param>
    public Task<AccountResult> SetPasswordAsync(string name, string password, bool byOperator = false, CancellationToken cancel = default) =>
        SetPasswordAsync(name, password, byOperator, null, cancel);

    /// <summary>As above, but the session in which the user changes it stays.</summary>
    public async Task<AccountResult> SetPasswordAsync(string name, string password, bool byOperator, Session? stays, CancellationToken cancel)
    {
        if (CheckPassword(password, byOperator ? 1 : settings.Current.Registration.MinPasswordLength) is var fault and not AccountOutcome.Done) return new AccountResult(fault);
        if (await FindAsync(name, cancel).ConfigureAwait(false) is not { } row) return new AccountResult(AccountOutcome.NotFound);
        if (await DeriveAsync(password, cancel).ConfigureAwait(false) is not { } credentials) return new AccountResult(AccountOutcome.PasswordInvalid);
        if (!await accounts.SetPasswordAsync(row.Id, credentials, cancel).ConfigureAwait(false)) return new AccountResult(AccountOutcome.NotFound);
        await EndAsync(row, SessionsEnd.PasswordChanged, stays).ConfigureAwait(false);
        return new AccountResult(AccountOutcome.Done, row);
    }

    /// <summary>Removes an account with all its data. Its sessions end first, and nobody can log in meanwhile.</summary>
    public async Task<AccountResult> DeleteAsync(string name, CancellationToken cancel = default)
    {
        if (await FindAsync(name, cancel).ConfigureAwait(false) is not { } row) return new AccountResult(AccountOutcome.NotFound);
        await accounts.SetDisabledAsync(row.Id, true, cancel).ConfigureAwait(false);
        await EndAsync(row, SessionsEnd.Deleted).ConfigureAwait(false);
        // No token from here on: half a deletion is worse than a slow one.
        return await accounts.DeleteAsync(row.Id, CancellationToken.None).ConfigureAwait(false) ? new AccountResult(AccountOutcome.Done, row) : new AccountResult(AccountOutcome.NotFound);
    }

    /// <summary>Disables (no login, sessions end, its data stays) or enables.</summary>
    public async Task<AccountResult> SetDisabledAsync(string name, bool disabled, CancellationToken cancel = default)
    {
        if (await FindAsync(name, cancel).ConfigureAwait(false) is not { } row) return new AccountResult(AccountOutcome.NotFound);
        if (!await accounts.SetDisabledAsync(row.Id, disabled, cancel).ConfigureAwait(false)) return new AccountResult(AccountOutcome.NotFound);
        if (disabled) await EndAsync(row, SessionsEnd.Disabled).ConfigureAwait(false);
        return new AccountResult(AccountOutcome.Done, row with { Disabled = disabled });
    }

    /// <summary>Gives another role.</summary>
    public async Task<AccountResult> SetRoleAsync(string name, Role role, CancellationToken cancel = default)
    {
        if (await FindAsync(name, cancel).ConfigureAwait(false) is not { } row) return new AccountResult(AccountOutcome.NotFound);
        return await accounts.SetRoleAsync(row.Id, role, cancel).ConfigureAwait(false) ? new AccountResult(AccountOutcome.Done, row with { Role = role }) : new AccountResult(AccountOutcome.NotFound);
    }

    /// <summary>The account of a name, or of a bare address on the server's domain; null when there is none.</summary>
    public async Task<AccountRow?> FindAsync(string name, CancellationToken cancel = default) =>
        TryName(name, out var jid) ? await accounts.FindAsync(jid.Local!, jid.Domain, cancel).ConfigureAwait(false) : null;

    private async Task<(AccountOutcome Outcome, Jid Jid, IReadOnlyList<Credential> Credentials)> PrepareAsync(string name, string password, int shortest, CancellationToken cancel)
    {
        if (!TryName(name, out var jid)) return (AccountOutcome.NameInvalid, jid, []);
        if (CheckPassword(password, shortest) is var fault and not AccountOutcome.Done) return (fault, jid, []);
        // Before the work: a flood of taken names must not cost a processor.
        if (await accounts.FindAsync(jid.Local!, jid.Domain, cancel).ConfigureAwait(false) is not null) return (AccountOutcome.NameTaken, jid, []);
        return await DeriveAsync(password, cancel).ConfigureAwait(false) is { } credentials ? (AccountOutcome.Done, jid, credentials) : (AccountOutcome.PasswordInvalid, jid, []);
    }

    private static AccountOutcome CheckPassword(string password, int shortest)
    {
        if (password.Length == 0 || Encoding.UTF8.GetByteCount(password) > MaxPasswordBytes) return AccountOutcome.PasswordInvalid;
        return password.EnumerateRunes().Count() < shortest ? AccountOutcome.PasswordTooShort : AccountOutcome.Done;
    }

    /// <summary>A name as an account would have it; false when it cannot be one.</summary>
    public bool TryLocal(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out string? local)
    {
        local = TryName(name, out Jid jid) ? jid.Local : null;
        return local is not null;
    }

    private bool TryName(string name, out Jid jid)
    {
        var domain = settings.Current.Domain;
        var at = name.IndexOf('@', StringComparison.Ordinal);
        if (at >= 0)
        {
            if (!Jid.TryCreate(null, name[(at + 1)..], null, out var given) || given.Domain != domain)
            {
                jid = default;
                return false;
            }
            name = name[..at];
        }
        return Jid.TryCreate(name, domain, null, out jid) && jid.Local is { Length: > 0 } local && Encoding.UTF8.GetByteCount(local) <= MaxNameBytes;
    }

    private Task EndAsync(AccountRow row, SessionsEnd reason, Session? stays = null) => EndSessions?.Invoke(row, reason, stays) ?? Task.CompletedTask;

    /// <summary>Keys for each mechanism; null when the password cannot be prepared.</summary>
    private async Task<IReadOnlyList<Credential>?> DeriveAsync(string password, CancellationToken cancel)
    {
        var iterations = settings.Current.Scram.Iterations;
        await Deriving.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => Derive(password, iterations), cancel).ConfigureAwait(false);
        }
        finally
        {
            Deriving.Release();
        }
    }

    private static Credential[]? Derive(string password, int iterations)
    {
        var credentials = new Credential[Hashes.Length];
        try
        {
            for (var i = 0; i < Hashes.Length; i++)
            {
                var salt = RandomNumberGenerator.GetBytes(SaltBytes); // one each: the keys of one hash tell nothing of the others
                var keys = ScramKeys.Derive(Hashes[i], password, salt, iterations);
                credentials[i] = new Credential(Hashes[i].Mechanism(), salt, iterations, keys.StoredKey, keys.ServerKey);
            }
            return credentials;
        }
        catch (FormatException)
        {
            return null; // SASLprep forbids a character
        }
    }
}
