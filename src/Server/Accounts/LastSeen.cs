using System.Globalization;
using System.Text;

namespace Indaba.Server.Accounts;

/// <summary>When an account was last seen: the time and status of the unavailable presence of its last resource (XEP-0012 section 3).</summary>
/// <param name="At">When.</param>
/// <param name="Status">What the user said then; may be empty.</param>
internal sealed record LastSeen(DateTimeOffset At, string Status)
{
    private const string Store = "last";
    private const string Key = "unavailable";
    private const int MaxStatus = 1024; // characters kept of a status

    /// <summary>Reads it; null when the account was never available.</summary>
    public static async Task<LastSeen?> LoadAsync(Node node, Account account)
    {
        var value = await node.Data.GetAsync(account.Id, Store, Key).ConfigureAwait(false);
        if (value is null) return null;
        var text = Encoding.UTF8.GetString(value);
        var end = text.IndexOf('\n', StringComparison.Ordinal);
        return end > 0 && long.TryParse(text.AsSpan(0, end), CultureInfo.InvariantCulture, out var at)
            ? new LastSeen(DateTimeOffset.FromUnixTimeMilliseconds(at), text[(end + 1)..])
            : null;
    }

    /// <summary>Writes it.</summary>
    public Task SaveAsync(Node node, Account account)
    {
        var status = Status.Length > MaxStatus ? Status[..MaxStatus] : Status;
        return node.Data.SetAsync(account.Id, Store, Key, Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{At.ToUnixTimeMilliseconds()}\n{status}")));
    }
}
