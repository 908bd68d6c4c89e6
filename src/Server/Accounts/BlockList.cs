using System.Text;
using Indaba.Server.Modules;
using Indaba.Xmpp;

namespace Indaba.Server.Accounts;

/// <summary>The addresses that an account has blocked (XEP-0191). Never changed, only replaced.</summary>
internal sealed class BlockList
{
    /// <summary>Nobody is blocked.</summary>
    public static readonly BlockList Empty = new([]);

    private readonly HashSet<Jid> _jids;
    private readonly HashSet<string>? _domains;

    public BlockList(IEnumerable<Jid> jids)
    {
        _jids = [.. jids];
        foreach (var jid in _jids)
        {
            if (jid.Local is null && jid.IsBare) (_domains ??= new(StringComparer.Ordinal)).Add(jid.Domain);
        }
    }

    /// <summary>The blocked addresses.</summary>
    public IReadOnlyCollection<Jid> Jids => _jids;

    /// <summary>True when nobody is blocked.</summary>
    public bool IsEmpty => _jids.Count == 0;

    /// <summary>True when this very address stands in the list.</summary>
    public bool Contains(Jid jid) => _jids.Contains(jid);

    /// <summary>
    /// True when an address is blocked: itself, its bare JID, or its domain (XEP-0191 section 5).
    /// </summary>
    public bool Matches(Jid jid)
    {
        if (_jids.Count == 0) return false;
        return _jids.Contains(jid) || (jid.IsFull && _jids.Contains(jid.Bare)) || _domains?.Contains(jid.Domain) == true;
    }
}

/// <summary>The block lists of accounts: one value in the database each, kept in memory while the account is active.</summary>
internal sealed class BlockLists(Node node, Slot<BlockList> slot)
{
    private const string Store = "blocking";
    private const string Key = "list";

    /// <summary>The list of an account.</summary>
    public ValueTask<BlockList> OfAsync(Account account) =>
        account.Get(slot) is { } list ? ValueTask.FromResult(list) : new ValueTask<BlockList>(LoadAsync(account));

    /// <summary>The list if it is in memory, as it is for every account with an available resource; else the empty one.</summary>
    public BlockList Loaded(Account account) => account.Get(slot) ?? BlockList.Empty;

    /// <summary>Replaces the list, on disk first; inside the gate of the account's roster.</summary>
    public async Task SaveAsync(Account account, BlockList list)
    {
        if (list.IsEmpty) await node.Data.DeleteAsync(account.Id, Store, Key).ConfigureAwait(false);
        else await node.Data.SetAsync(account.Id, Store, Key, Encoding.UTF8.GetBytes(string.Join('\n', list.Jids))).ConfigureAwait(false);
        account.Set(slot, list);
    }

    private async Task<BlockList> LoadAsync(Account account)
    {
        var value = await node.Data.GetAsync(account.Id, Store, Key).ConfigureAwait(false);
        var list = value is null ? BlockList.Empty : new BlockList(Parse(Encoding.UTF8.GetString(value)));
        lock (account.Lock)
        {
            if (account.Get(slot) is { } other) return other; // loaded, and perhaps changed, meanwhile
            account.Set(slot, list);
            return list;
        }
    }

    /// <summary>One address a line: no part of an address can hold a line break (RFC 7622).</summary>
    private static IEnumerable<Jid> Parse(string lines)
    {
        foreach (var line in lines.Split('\n'))
        {
            if (Jid.TryParse(line, out var jid)) yield return jid;
        }
    }
}
