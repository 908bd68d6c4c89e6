namespace Indaba.Server.Mailbox;

/// <summary>How far a peer has got with what the account sent: numbers of the account's log, times in unix milliseconds, 0 for never.</summary>
internal sealed record Conversation(string Peer, long DeliveredSeq, long DeliveredAt, long DisplayedSeq, long DisplayedAt);

/// <summary>The ticks of one-to-one conversations. They never move back.</summary>
internal sealed class Conversations
{
    /// <summary>
    /// The peer has received everything up to a number. Thread-safe, never blocks; written with the next commit batch, so it is
    /// on disk when an <see cref="Append"/> that was enqueued after this call is committed.
    /// </summary>
    public void Delivered(long account, string peer, long seq, long at) => throw new NotImplementedException();

    /// <summary>The peer's user has seen everything up to a number (it was delivered then, too). Otherwise as <see cref="Delivered"/>.</summary>
    public void Displayed(long account, string peer, long seq, long at) => throw new NotImplementedException();

    /// <summary>One conversation, or null; unwritten changes are included.</summary>
    public Task<Conversation?> FindAsync(long account, string peer, CancellationToken cancel = default) => throw new NotImplementedException();

    /// <summary>Conversations with a peer above <paramref name="after"/> in ordinal order (null: from the first).</summary>
    public Task<IReadOnlyList<Conversation>> ListAsync(long account, int limit, string? after = null, CancellationToken cancel = default) => throw new NotImplementedException();
}
