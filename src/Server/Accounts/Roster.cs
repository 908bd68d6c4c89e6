using Indaba.Server.Storage;
using Indaba.Xmpp;

namespace Indaba.Server.Accounts;

/// <summary>
/// The contacts of one account in memory: a sorted array that is replaced at each change, so readers need no lock and a
/// contact costs one object. Changes are made one after another, through <see cref="RosterService"/>.
/// </summary>
#pragma warning disable CA1001 // a SemaphoreSlim whose wait handle nobody asks for holds nothing to dispose of
internal sealed class Roster
#pragma warning restore CA1001
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly string _domain;
    private RosterContact[] _contacts;

    /// <param name="domain">The domain that most contacts have.</param>
    public Roster(RosterRows rows, string domain)
    {
        _domain = domain;
        var pool = new HashSet<string>(StringComparer.Ordinal);
        _contacts = [.. rows.Items.Select(RosterContact.Of).OfType<RosterContact>().Select(c => c.Compact(domain, pool))];
        Array.Sort(_contacts, static (a, b) => Compare(a.Jid, b.Jid));
        Version = rows.Version;
    }

    /// <summary>All contacts, requests that only wait included.</summary>
    public RosterContact[] Contacts => Volatile.Read(ref _contacts);

    /// <summary>The version of the last change (RFC 6121 section 2.6).</summary>
    public long Version { get; private set; }

    /// <summary>The contact of an address, or null.</summary>
    public RosterContact? Find(Jid jid)
    {
        var contacts = Contacts;
        var at = IndexOf(contacts, jid);
        return at < 0 ? null : contacts[at];
    }

    /// <summary>True when an address gets the user's presence by subscription.</summary>
    public bool SharesPresenceWith(Jid bare) => Find(bare) is { HasFrom: true };

    /// <summary>Waits for the right to change the roster; dispose to give it back.</summary>
    public async ValueTask<Gate> EnterAsync()
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        return new Gate(_gate);
    }

    /// <summary>Takes in a change that is on disk; inside the gate.</summary>
    public void Put(RosterContact contact, long version)
    {
        contact = contact with { Jid = contact.Jid.Compact(_domain) };
        var contacts = Contacts;
        var at = IndexOf(contacts, contact.Jid);
        RosterContact[] next;
        if (at >= 0)
        {
            next = [.. contacts];
            next[at] = contact;
        }
        else
        {
            next = [.. contacts[..~at], contact, .. contacts[~at..]];
        }
        Volatile.Write(ref _contacts, next);
        Version = version;
    }

    /// <summary>Takes in a removal that is on disk; inside the gate.</summary>
    public void Remove(Jid jid, long version)
    {
        Volatile.Write(ref _contacts, [.. Contacts.Where(c => c.Jid != jid)]);
        Version = version;
    }

    private static int IndexOf(RosterContact[] contacts, Jid jid)
    {
        var low = 0;
        var high = contacts.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            var order = Compare(contacts[middle].Jid, jid);
            if (order == 0) return middle;
            if (order < 0) low = middle + 1;
            else high = middle - 1;
        }
        return ~low;
    }

    private static int Compare(Jid a, Jid b)
    {
        var order = string.CompareOrdinal(a.Local, b.Local);
        if (order == 0) order = string.CompareOrdinal(a.Domain, b.Domain);
        return order != 0 ? order : string.CompareOrdinal(a.Resource, b.Resource);
    }

    /// <summary>The right to change a roster.</summary>
    internal readonly struct Gate(SemaphoreSlim gate) : IDisposable
    {
        public void Dispose() => gate.Release();
    }
}
