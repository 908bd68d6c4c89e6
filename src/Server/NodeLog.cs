using Indaba.Xmpp;

namespace Indaba.Server;

/// <summary>What the node's core logs. Contents of messages are never logged.</summary>
internal static partial class NodeLog
{
    [LoggerMessage(100, LogLevel.Warning, "{Jid}: session ended, its client does not read what it is sent; what is in the log stays pending")]
    public static partial void SessionOverflow(this ILogger log, Jid jid);

    [LoggerMessage(108, LogLevel.Critical, "UNSAFE_ACK_BEFORE_COMMIT is set: acknowledged messages can be lost; for tests of the kill test only")]
    public static partial void AcksBeforeCommit(this ILogger log);

    [LoggerMessage(109, LogLevel.Error, "removing old messages failed; it is tried again in ten minutes")]
    public static partial void TrimFailed(this ILogger log, Exception error);

    [LoggerMessage(110, LogLevel.Error, "asking sessions for acks failed; it is tried again")]
    public static partial void SweepFailed(this ILogger log, Exception error);

    [LoggerMessage(111, LogLevel.Warning, "stopped while the database could not commit: {Waiting} appends were not stored, and not acknowledged")]
    public static partial void StoppedBeforeCommit(this ILogger log, int waiting);

    [LoggerMessage(112, LogLevel.Warning, "{Jid}: another node has claimed the account; its sessions here end, nothing that was not acked there is acked here")]
    public static partial void AccountLost(this ILogger log, Jid jid);

    [LoggerMessage(101, LogLevel.Error, "{Jid}: reading the backlog failed; it is tried again")]
    public static partial void BacklogFailed(this ILogger log, Jid jid, Exception error);

    [LoggerMessage(102, LogLevel.Error, "{Jid}: a stanza failed")]
    public static partial void StanzaFailed(this ILogger log, Jid jid, Exception error);

    [LoggerMessage(103, LogLevel.Debug, "{Jid}: bound from {Address} over {Transport}, session {Id}")]
    public static partial void Bound(this ILogger log, Jid jid, string address, string transport, string id);

    [LoggerMessage(104, LogLevel.Debug, "{Jid}: resumed from {Address} over {Transport}, session {Id}")]
    public static partial void Resumed(this ILogger log, Jid jid, string address, string transport, string id);

    [LoggerMessage(105, LogLevel.Debug, "stream from {Address} closed: {Condition} {Text}")]
    public static partial void StreamRefused(this ILogger log, string address, string condition, string? text);

    [LoggerMessage(106, LogLevel.Error, "stream from {Address} failed")]
    public static partial void StreamFailed(this ILogger log, string address, Exception error);

    [LoggerMessage(107, LogLevel.Information, "login refused: {Name} from {Address}: {Condition}")]
    public static partial void LoginRefused(this ILogger log, string name, string address, string condition);

    [LoggerMessage(120, LogLevel.Error, "{Jid}: its contacts could not be told that it is unavailable")]
    public static partial void PresenceFailed(this ILogger log, Jid jid, Exception error);

    [LoggerMessage(130, LogLevel.Error, "{Jid}: the account is disabled, but removing it failed; remove it with 'indaba user delete'")]
    public static partial void RemovalFailed(this ILogger log, Jid jid, Exception error);

    [LoggerMessage(131, LogLevel.Error, "{Jid}: the account was made by an invitation, but its inviter did not become a contact")]
    public static partial void BefriendingFailed(this ILogger log, Jid jid, Exception error);

    [LoggerMessage(132, LogLevel.Information, "Account {Name} made by {Way} from {Address}")]
    public static partial void Registered(this ILogger log, string name, string way, string address);
}
