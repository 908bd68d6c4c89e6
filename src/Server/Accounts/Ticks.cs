using Indaba.Server.Mailbox;
using Indaba.Server.Modules;
using Indaba.Xmpp.Stanzas;

namespace Indaba.Server.Accounts;

/// <summary>
/// What the author of a message is shown: delivered (two grey ticks) and displayed (two blue ones), as the peer's client
/// says. Found out before the message that says so is put into the log: the conversation's row is then on disk with the
/// same commit or an earlier one, so a crash never loses a tick whose receipt was acknowledged.
/// </summary>
internal static class Ticks
{
    /// <summary>Entries with the peer that are looked through, newest first. Ticks cover what is older, so missing an old one shows nothing wrong.</summary>
    private const int MaxScan = 256;
    /// <summary>Characters of an id; a longer one is in no log of ours that a client can be waiting for.</summary>
    private const int MaxId = 256;

    /// <summary>
    /// The sender of a message in stage Delivering has received, or displayed, what <paramref name="id"/> names. Counts
    /// only for what the account itself sent to that very peer; errors (which may repeat a stanza) and rooms do not count.
    /// </summary>
    public static ValueTask<Outcome> MoveAsync(StageContext context, string? id, bool displayed)
    {
        if (string.IsNullOrEmpty(id) || id.Length > MaxId || context.Stanza is not Message { From: { } from, Type: not (MessageType.Error or MessageType.Groupchat) } || from.Bare == context.Account.Jid)
            return ValueTask.FromResult(Outcome.Continue);
        return FindAsync(context, from.Bare.ToString(), id, displayed);
    }

    private static async ValueTask<Outcome> FindAsync(StageContext context, string peer, string id, bool displayed)
    {
        var (node, account) = (context.Node, context.Account.Id);
        // A receipt can be quicker than the commit of what it answers; that one has its position already.
        var seq = context.Account.FindSending(peer, id);
        if (seq == 0) seq = (await node.Mailbox.FindByMessageIdAsync(account, peer, id, Direction.Out, MaxScan).ConfigureAwait(false))?.Seq ?? 0;
        if (seq == 0) return Outcome.Continue;
        var at = node.Time.GetUtcNow().ToUnixTimeMilliseconds();
        if (displayed) node.Mailbox.Conversations.Displayed(account, peer, seq, at);
        else node.Mailbox.Conversations.Delivered(account, peer, seq, at);
        return Outcome.Continue;
    }
}
