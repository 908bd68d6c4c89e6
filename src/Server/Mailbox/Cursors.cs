namespace Indaba.Server.Mailbox;

/// <summary>What a device has acked. Device is empty for a client that names none; the resource names it then.</summary>
internal sealed record Cursor(string Device, string Resource, long AckedSeq, long At);

/// <summary>The cursors of devices on the log. They never move back.</summary>
internal sealed class Cursors
{
    /// <summary>Cursors kept for an account; the longest unmoved make room.</summary>
    public const int MaxPerAccount = 128;

    /// <summary>All cursors of an account, moves that are not yet on disk included.</summary>
    public Task<IReadOnlyList<Cursor>> LoadAsync(long account, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>
    /// Moves a cursor forward (a lower number changes nothing). Kept in memory and written with a commit within about 200 ms:
    /// a crash before that only sends again. Thread-safe, never blocks.
    /// </summary>
    public void Move(long account, string device, string resource, long seq) => throw new NotImplementedException();

    /// <summary>Forgets a cursor; false when there was none.</summary>
    public Task<bool> RemoveAsync(long account, string device, string resource, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Completes when all moves made before are on disk.</summary>
    public Task FlushAsync(CancellationToken cancel = default) => throw new NotImplementedException();
}
