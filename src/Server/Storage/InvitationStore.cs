#pragma warning disable CS9113 // bodies follow
namespace Indaba.Server.Storage;

/// <summary>
/// An invitation (XEP-0401, XEP-0379, XEP-0445). Kind is the inviter's word for it (<c>account</c>, <c>contact</c>, …);
/// CreatedBy is null when the operator made it; RosterJid is who becomes a contact of the invited one.
/// </summary>
internal sealed record Invitation(
    string Token, string Kind, long? CreatedBy, DateTimeOffset CreatedAt, DateTimeOffset ExpiresAt, int MaxUses, int Uses, Role Role, string? RosterJid);

/// <summary>Invitations: tokens from a CSPRNG, with an end and a number of uses.</summary>
internal sealed class InvitationStore(Database database)
{
    /// <summary>Keeps a new invitation; false when the token exists.</summary>
    public Task<bool> CreateAsync(Invitation invitation, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>An invitation that can be used now, or null (unknown, used up or expired).</summary>
    public Task<Invitation?> FindAsync(string token, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Counts one use, if one is left and it has not expired; returns the row after it, or null. Of two at once for the last use one wins.</summary>
    public Task<Invitation?> TryUseAsync(string token, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Invitations made by an account (null: by anybody), newest first, at most <paramref name="limit"/>, expired and used ones included.</summary>
    public Task<IReadOnlyList<Invitation>> ListAsync(long? createdBy, int limit, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Removes an invitation; with <paramref name="createdBy"/> only when that account made it. False when there was none.</summary>
    public Task<bool> RevokeAsync(string token, long? createdBy = null, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Removes those expired before <paramref name="before"/>, at most <paramref name="limit"/>; returns how many.</summary>
    public Task<int> PruneAsync(DateTimeOffset before, int limit, CancellationToken cancel = default) => throw new NotImplementedException();
}
