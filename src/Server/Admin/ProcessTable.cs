using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Indaba.Server.Sessions;

namespace Indaba.Server.Admin;

/// <summary>
/// The process table of the whole cluster: the sessions of this node, and what the other nodes answer. The one place where
/// rows of several nodes come together; all reports ask here.
/// </summary>
internal sealed class ProcessTable(SessionTable local)
{
    public const string SessionsKind = "admin.sessions", DevicesKind = "admin.devices";

    /// <summary>Asks the other nodes: a kind and a question, one answer from each that gave one. Null while this node is alone.</summary>
    public Func<string, byte[], CancellationToken, Task<IReadOnlyList<byte[]>>>? AskOthers { get; set; }

    /// <summary>Every session, ordered by address.</summary>
    public async Task<IReadOnlyList<SessionInfo>> SessionsAsync(CancellationToken cancel)
    {
        var others = await AskAsync(SessionsKind, [], AdminJson.Default.SessionList, cancel).ConfigureAwait(false);
        if (others.Count == 0) return local.Snapshot();
        return [.. local.Snapshot().Concat(others.SelectMany(l => l.Sessions)).OrderBy(s => s.Jid, StringComparer.Ordinal)];
    }

    /// <summary>The sessions of one account, or of all, and whether each has a position of the log in its hands.</summary>
    public async Task<IReadOnlyList<DeviceSession>> DevicesAsync(long? account, long seq, CancellationToken cancel)
    {
        var question = new DeviceQuestion(account, seq);
        var others = await AskAsync(DevicesKind, JsonSerializer.SerializeToUtf8Bytes(question, AdminJson.Default.DeviceQuestion), AdminJson.Default.DeviceSessions, cancel).ConfigureAwait(false);
        return [.. Devices(question), .. others.SelectMany(l => l.Sessions)];
    }

    /// <summary>What this node answers to another one's question; null for a kind that it does not know.</summary>
    public byte[]? Answer(string kind, ReadOnlySpan<byte> question) => kind switch
    {
        SessionsKind => JsonSerializer.SerializeToUtf8Bytes(new SessionList(local.Snapshot()), AdminJson.Default.SessionList),
        DevicesKind when JsonSerializer.Deserialize(question, AdminJson.Default.DeviceQuestion) is { } asked =>
            JsonSerializer.SerializeToUtf8Bytes(new DeviceSessions(Devices(asked)), AdminJson.Default.DeviceSessions),
        _ => null,
    };

    private DeviceSession[] Devices(DeviceQuestion asked) =>
    [
        .. local.All.Where(s => asked.Account is null || s.Account.Id == asked.Account)
            .Select(s => new DeviceSession(s.Account.Id, s.Id[..12], s.Device.Key, s.Device.Resource, s.Jid.Resource!, s.Holds(asked.Seq))),
    ];

    private async Task<IReadOnlyList<T>> AskAsync<T>(string kind, byte[] question, JsonTypeInfo<T> type, CancellationToken cancel) where T : class
    {
        if (AskOthers is not { } ask) return [];
        var answers = await ask(kind, question, cancel).ConfigureAwait(false);
        return [.. answers.Select(a => JsonSerializer.Deserialize(a, type)).OfType<T>()];
    }
}
