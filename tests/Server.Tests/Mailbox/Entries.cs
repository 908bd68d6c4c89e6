using System.Text;
using Indaba.Server.Mailbox;
using Indaba.Server.Tests.Storage;

namespace Indaba.Server.Tests.Mailbox;

/// <summary>Log entries for tests.</summary>
internal static class Entries
{
    public static LogEntry New(
        long account, long seq, Direction direction = Direction.In, EntryFlags flags = EntryFlags.Archived | EntryFlags.Pending, string peer = "romeo@example.net",
        string? target = null, string resource = "orchard", string? id = null, long? at = null, int size = 300) => new()
        {
            Account = account,
            Seq = seq,
            Direction = direction,
            Flags = flags,
            Peer = peer,
            Target = target,
            Sender = $"{peer}/{resource}",
            Device = "",
            OriginId = id,
            MessageId = id,
            At = at ?? 1_000_000 + seq,
            Stanza = Encoding.UTF8.GetBytes($"<message id='{id}'>{new string('x', size)}</message>"),
        };

    /// <summary>Appends and waits for the disk.</summary>
    public static Task AppendAsync(this MailboxLog log, LogEntry entry)
    {
        var append = new TestAppend(entry);
        log.Enqueue(append);
        return append.Done.WaitAsync(TestData.Limit, TestData.Cancel);
    }

    /// <summary>Appends each by itself and waits for the last.</summary>
    public static async Task AppendAllAsync(this MailboxLog log, IEnumerable<LogEntry> entries)
    {
        var appends = entries.Select(entry => new TestAppend(entry)).ToList();
        foreach (var append in appends) log.Enqueue(append);
        foreach (var append in appends) await append.Done.WaitAsync(TestData.Limit, TestData.Cancel);
    }
}

/// <summary>An append whose end can be awaited.</summary>
internal sealed class TestAppend : Append
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
    public TestAppend(LogEntry entry) => Entry = entry;

    public Task Done => _done.Task;
    public Action? OnCommitted { get; init; }
    public Action? OnFailed { get; init; }

    public override void Committed()
    {
        OnCommitted?.Invoke();
        _done.SetResult();
    }

    public override void Failed(Exception error)
    {
        OnFailed?.Invoke();
        _done.SetException(error);
    }
}
