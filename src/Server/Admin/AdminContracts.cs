using System.Text.Json.Serialization;
using Indaba.Server.Sessions;

namespace Indaba.Server.Admin;

/// <summary>What went wrong, in a sentence.</summary>
internal sealed record Fault(string Error);

internal sealed record StatusReply(
    string Version, int ProcessId, string Domain, string DataDirectory, DateTimeOffset Started, long Accounts, int Sessions, string? PublicUrl, string? SettingsFile);

internal sealed record NewUser(string Name, string Password, bool Admin = false);

internal sealed record NewUsers(IReadOnlyList<NewUser> Users);

/// <summary>What became of one name; Error is null when it is done.</summary>
internal sealed record UserReply(string Name, string? Jid, string? Error);

internal sealed record UserReplies(IReadOnlyList<UserReply> Users);

internal sealed record UserInfo(string Jid, string Role, bool Disabled, DateTimeOffset Created, int Sessions);

/// <summary>A page of users; Next is the <c>after</c> of the next page, null on the last.</summary>
internal sealed record UserPage(IReadOnlyList<UserInfo> Users, long? Next);

internal sealed record PasswordRequest(string Password);

internal sealed record RoleRequest(bool Admin);

internal sealed record InviteRequest(bool Admin = false, int Uses = 1, double? Hours = null);

/// <summary>State is open, used, or expired.</summary>
internal sealed record InviteInfo(
    string Token, string Kind, string Role, string? By, DateTimeOffset Created, DateTimeOffset Expires, int Uses, int MaxUses, string State, string? Link, string Xmpp);

internal sealed record Invites(IReadOnlyList<InviteInfo> Invitations);

internal sealed record SessionList(IReadOnlyList<SessionInfo> Sessions);

/// <summary>
/// What waits for an account (Device null: for whoever comes first, nobody has it yet) or for one of its devices.
/// More is true when there are more than were counted.
/// </summary>
internal sealed record PendingInfo(string Jid, string? Device, string? Resource, int Waiting, bool More, DateTimeOffset Oldest, bool Connected);

internal sealed record PendingList(IReadOnlyList<PendingInfo> Pending);

/// <summary>State is acked, sent (written to the device, no ack yet), queued (it is connected), or waiting (it is not).</summary>
internal sealed record MessageDevice(string Device, string Resource, string State, DateTimeOffset? CursorAt, string? Session);

/// <summary>The life of one message. Never its content.</summary>
/// <param name="Committed">When the server took it: it was on disk before anybody heard of it.</param>
/// <param name="Received">The recipient's client has said so (XEP-0184): the time of that cursor, which may have moved on since; null: not yet.</param>
/// <param name="Displayed">Likewise (XEP-0333).</param>
/// <param name="SenderCopy">Its stanza-id in the sender's log, or null.</param>
/// <param name="RecipientCopy">Its stanza-id in the recipient's log, or null.</param>
internal sealed record MessageInfo(
    string? MessageId, string From, string To, DateTimeOffset Committed, string? SenderCopy, string? RecipientCopy,
    DateTimeOffset? Received, DateTimeOffset? Displayed, IReadOnlyList<MessageDevice> Devices);

/// <summary>One node of the cluster. Silent is null while it is heard of; Cpu is of one core, Memory in bytes, commits in milliseconds.</summary>
internal sealed record NodeInfo(
    string Name, bool ThisOne, string State, double? SilentSeconds, string Address, string Ports, string Version, string Roles, DateTimeOffset Started,
    int Sessions, int Accounts, double CpuPercent, long Memory, double CommitP50, double CommitP99, int Queue);

internal sealed record NodeList(IReadOnlyList<NodeInfo> Nodes);

internal sealed record DrainRequest(bool Stop = false);

/// <summary>Phase is serving, notice, ending or drained.</summary>
internal sealed record DrainReply(string Phase, int Sessions);

internal sealed record SharedSetting(string Name, string Value, DateTimeOffset SetAt, string SetBy);

internal sealed record SharedSettingList(IReadOnlyList<SharedSetting> Settings);

internal sealed record SetRequest(string Value, string? By = null);

/// <summary>Origin is where the asked node's own value comes from; other than "the database" when it has one of its own.</summary>
internal sealed record SetReply(IReadOnlyList<string> Mistakes, string Value, bool Waits, string Origin);

/// <summary>A session as the reports on pending messages need it, of whichever node. Holds: it has the asked position in its hands.</summary>
internal sealed record DeviceSession(long Account, string Session, string Device, string Resource, string BoundResource, bool Holds);

internal sealed record DeviceSessions(IReadOnlyList<DeviceSession> Sessions);

/// <summary>Account null: all of them.</summary>
internal sealed record DeviceQuestion(long? Account, long Seq);

internal sealed record ReloadReply(IReadOnlyList<string> Mistakes, IReadOnlyList<string> Changed, IReadOnlyList<string> Waiting);

/// <summary>The JSON of the control socket, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, AllowTrailingCommas = false, MaxDepth = 8)]
[JsonSerializable(typeof(Fault))]
[JsonSerializable(typeof(StatusReply))]
[JsonSerializable(typeof(NewUsers))]
[JsonSerializable(typeof(UserReplies))]
[JsonSerializable(typeof(UserReply))]
[JsonSerializable(typeof(UserPage))]
[JsonSerializable(typeof(PasswordRequest))]
[JsonSerializable(typeof(RoleRequest))]
[JsonSerializable(typeof(InviteRequest))]
[JsonSerializable(typeof(InviteInfo))]
[JsonSerializable(typeof(Invites))]
[JsonSerializable(typeof(SessionList))]
[JsonSerializable(typeof(PendingList))]
[JsonSerializable(typeof(MessageInfo))]
[JsonSerializable(typeof(ReloadReply))]
[JsonSerializable(typeof(NodeList))]
[JsonSerializable(typeof(DrainRequest))]
[JsonSerializable(typeof(DrainReply))]
[JsonSerializable(typeof(SharedSettingList))]
[JsonSerializable(typeof(SetRequest))]
[JsonSerializable(typeof(SetReply))]
[JsonSerializable(typeof(DeviceSessions))]
[JsonSerializable(typeof(DeviceQuestion))]
[JsonSerializable(typeof(Telemetry.HealthReport))]
internal sealed partial class AdminJson : JsonSerializerContext;
