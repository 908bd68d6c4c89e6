#pragma warning disable CS9113 // bodies follow
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
    /// <summary>The unexpired tokens of a device, New before Current (the order in which to compare).</summary>
    public Task<IReadOnlyList<FastToken>> LoadAsync(long account, string device, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Puts a token in the New slot whatever its Slot says, replacing one that was never used.</summary>
    public Task IssueAsync(FastToken token, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>
    /// Records a successful use: New becomes Current (the former Current dies), the counter and time of use are kept.
    /// False when the token is gone, expired or disabled by now, or the count is not above the last one: refuse the login then.
    /// </summary>
    public Task<bool> UseAsync(FastToken token, long? count, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Kills one token (XEP-0484 section 3.6); false when it was gone.</summary>
    public Task<bool> InvalidateAsync(FastToken token, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Kills the tokens of one device, or of all devices when <paramref name="device"/> is null; returns how many.</summary>
    public Task<int> InvalidateAllAsync(long account, string? device = null, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Removes expired tokens, at most <paramref name="limit"/>; returns how many.</summary>
    public Task<int> PruneAsync(int limit, CancellationToken cancel = default) => throw new NotImplementedException();
}
