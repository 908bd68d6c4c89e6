using Indaba.Server.Accounts;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Cluster;

/// <summary>
/// A message for an account of another node; it ends when the recipient's copy is on disk there. Doing it twice is harmless:
/// the recipient's log knows it by its sender's id, or by the one that this node made for it.
/// </summary>
internal sealed class MessageItem(Letter letter, bool stored, Action<StanzaError?> ended) : RoutedItem
{
    public override LinkKind Kind => LinkKind.Message;

    protected override void WritePayload(LinkWriter to)
    {
        to.Text(letter.Device);
        to.Text(letter.OriginId!);
        to.Number(stored ? 1UL : 0UL);
        to.Bytes(XmppWriter.ToBytes(letter.Message.Element, Ns.Client));
    }

    public override void Ended(LinkStatus status, ReadOnlyMemory<byte> payload) => ended(status switch
    {
        LinkStatus.Done => null,
        LinkStatus.Refused => StanzaError.Parse(XmppReader.ReadStored(payload, Ns.Client)),
        LinkStatus.NoAccount => letter.Message.Type == MessageType.Error ? null : StanzaError.Of(StanzaCondition.ServiceUnavailable),
        _ => StanzaError.Of(StanzaCondition.ResourceConstraint),
    });
}

/// <summary>What somebody waits for: an iq for another node's account, or something to be done there. Its task ends with the payload.</summary>
internal sealed class CallItem(LinkKind kind, Action<LinkWriter> write, bool mayRepeat) : RoutedItem
{
    private readonly TaskCompletionSource<ReadOnlyMemory<byte>> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override LinkKind Kind => kind;
    public override bool MayRepeat => mayRepeat;

    /// <summary>The payload of the answer; empty when the account does not exist.</summary>
    /// <exception cref="StanzaException">The owner refused it, or could not do it.</exception>
    public Task<ReadOnlyMemory<byte>> Done => _done.Task;

    /// <summary>True when it ended because there is no such account.</summary>
    public bool NoAccount { get; private set; }

    protected override void WritePayload(LinkWriter to) => write(to);

    public override void Ended(LinkStatus status, ReadOnlyMemory<byte> payload)
    {
        if (status is LinkStatus.Done or LinkStatus.NoAccount)
        {
            NoAccount = status == LinkStatus.NoAccount;
            _done.TrySetResult(payload);
            return;
        }
        var error = status == LinkStatus.Refused ? StanzaError.Parse(XmppReader.ReadStored(payload, Ns.Client)) : StanzaError.Of(StanzaCondition.RecipientUnavailable);
        _done.TrySetException(new StanzaException(error));
    }
}

/// <summary>A stanza for another node's account whose end nobody waits for: presence, and the answers to requests.</summary>
internal sealed class StanzaItem(LinkKind kind, byte[] stanza) : RoutedItem
{
    public override LinkKind Kind => kind;
    public override bool MayRepeat => false;
    protected override void WritePayload(LinkWriter to) => to.Raw(stanza);
    public override void Ended(LinkStatus status, ReadOnlyMemory<byte> payload) { }
}
