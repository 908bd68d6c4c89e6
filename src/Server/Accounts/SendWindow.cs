using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Indaba.Server.Mailbox;

namespace Indaba.Server.Accounts;

/// <summary>
/// The recent sends that a log has, so that a resend is not a second message: a bounded window over (direction, peer,
/// sender's device, origin-id), refilled from the log's tail when the account becomes active. Guarded by its account's lock.
/// </summary>
internal sealed class SendWindow
{
    /// <summary>Sends remembered. A session has at most a few hundred uncommitted or unacked stanzas, so this covers several devices resending all they have.</summary>
    public const int Size = 1024;
    private readonly Dictionary<UInt128, long> _seqs = [];
    private readonly Queue<UInt128> _order = new();

    /// <summary>The key of a send; 128 bits of SHA-256, so that clients cannot make collisions.</summary>
    public static UInt128 Key(Direction direction, string peer, string device, string originId)
    {
        var length = Encoding.UTF8.GetMaxByteCount(peer.Length + device.Length + originId.Length + 3);
        var rented = ArrayPool<byte>.Shared.Rent(length);
        rented[0] = (byte)direction;
        var n = 1 + Encoding.UTF8.GetBytes(peer, rented.AsSpan(1));
        rented[n++] = 0;
        n += Encoding.UTF8.GetBytes(device, rented.AsSpan(n));
        rented[n++] = 0;
        n += Encoding.UTF8.GetBytes(originId, rented.AsSpan(n));
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(rented.AsSpan(0, n), hash);
        ArrayPool<byte>.Shared.Return(rented);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    /// <summary>Fills the window from the tail of the log, oldest first.</summary>
    public void Fill(IEnumerable<TailKey> tail)
    {
        foreach (var key in tail)
        {
            if (key.OriginId is not null) Add(Key(key.Direction, key.Peer, key.Device, key.OriginId), key.Seq);
        }
    }

    /// <summary>The position of an earlier send with this key, or 0.</summary>
    public long Find(UInt128 key) => _seqs.GetValueOrDefault(key);

    /// <summary>Remembers a send; the oldest makes room.</summary>
    public void Add(UInt128 key, long seq)
    {
        if (!_seqs.TryAdd(key, seq)) return;
        _order.Enqueue(key);
        while (_order.Count > Size && _order.TryDequeue(out var old)) _seqs.Remove(old);
    }

    /// <summary>Forgets a send whose commit failed: it may be tried again.</summary>
    public void Forget(UInt128 key) => _seqs.Remove(key);
}
