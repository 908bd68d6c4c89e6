using Orleans.Runtime;

namespace Indaba.Server.Accounts;

/// <summary>
/// How far each other node is with what it sends to an account, so that nothing is taken whose predecessor was not: an item
/// that comes while the account is not here yet is sent back, and those behind it, under way already, must not overtake it
/// when the account has come meanwhile. They are refused too; the sender finds the owner again and sends all of them, in
/// order, on a new way.
/// </summary>
internal sealed class Feeds
{
    private const int Remembered = 64; // more than there are nodes; each start of a node is another address
    private readonly Dictionary<SiloAddress, (long Way, long Next)> _feeds = [];

    /// <summary>True when the item is the first of its way, or what was before it has been taken here.</summary>
    public bool Take(SiloAddress from, long way, long place)
    {
        lock (_feeds)
        {
            if (place > 0 && (!_feeds.TryGetValue(from, out var feed) || feed != (way, place))) return false;
            if (_feeds.Count >= Remembered && !_feeds.ContainsKey(from)) _feeds.Clear(); // costs the others a search for the owner
            _feeds[from] = (way, place + 1);
            return true;
        }
    }
}
