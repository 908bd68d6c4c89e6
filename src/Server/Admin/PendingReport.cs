using Indaba.Server.Mailbox;
using Indaba.Server.Storage;

namespace Indaba.Server.Admin;

/// <summary>How many messages wait, for which account and which of its devices. Counts and times, never who wrote what.</summary>
internal static class PendingReport
{
    /// <summary>Entries that are looked at for one account; a device that was thrown away years ago would cost the whole log.</summary>
    public const int MaxCounted = 10_000;
    private const int AccountPage = 200;
    private const int LogPage = 500;

    /// <summary>One account, or all of them for null; null when there is no such account.</summary>
    public static async Task<IReadOnlyList<PendingInfo>?> RunAsync(AdminServices services, string? account, CancellationToken cancel)
    {
        var report = new List<PendingInfo>();
        if (account is { Length: > 0 })
        {
            if (await services.Accounts.FindAsync(account, cancel).ConfigureAwait(false) is not { } row) return null;
            var sessions = await services.Processes.DevicesAsync(row.Id, 0, cancel).ConfigureAwait(false);
            await AddAsync(services.Mailbox, row, sessions, report, cancel).ConfigureAwait(false);
            return report;
        }
        var all = (await services.Processes.DevicesAsync(null, 0, cancel).ConfigureAwait(false)).ToLookup(s => s.Account);
        for (long after = 0; ;)
        {
            var rows = await services.AccountRows.ListAsync(after, AccountPage, cancel).ConfigureAwait(false);
            foreach (var row in rows) await AddAsync(services.Mailbox, row, [.. all[row.Id]], report, cancel).ConfigureAwait(false);
            if (rows.Count < AccountPage) return report;
            after = rows[^1].Id;
        }
    }

    private static async Task AddAsync(MailboxLog log, AccountRow account, IReadOnlyList<DeviceSession> sessions, List<PendingInfo> report, CancellationToken cancel)
    {
        var cursors = await log.Cursors.LoadAsync(account.Id, cancel).ConfigureAwait(false);
        var nobody = new Count();
        var devices = cursors.Select(static c => (Cursor: c, Count: new Count())).ToArray();
        var from = cursors.Count == 0 ? 0 : cursors.Min(static c => c.AckedSeq);
        var looked = 0;
        var more = false;
        while (true)
        {
            var page = await log.ReadPendingAsync(account.Id, from, LogPage, cancel).ConfigureAwait(false);
            foreach (var entry in page)
            {
                var mine = devices.Where(d => entry.Target is null || entry.Target == d.Cursor.Resource).ToArray();
                // As at login: what no device has acked waits for the first that comes (XEP-0160).
                if (!mine.Any(d => d.Cursor.Device.Length > 0 && d.Cursor.AckedSeq >= entry.Seq)) nobody.Add(entry);
                foreach (var device in mine.Where(d => d.Cursor.AckedSeq < entry.Seq)) device.Count.Add(entry);
            }
            looked += page.Count;
            if (page.Count < LogPage) break;
            if (looked >= MaxCounted)
            {
                more = true;
                break;
            }
            from = page[^1].Seq;
        }
        var jid = AdminApi.Address(account);
        if (nobody.Entries > 0) report.Add(new PendingInfo(jid, null, null, nobody.Entries, more, nobody.Oldest, sessions.Count > 0));
        foreach (var (cursor, count) in devices.Where(static d => d.Count.Entries > 0))
            report.Add(new PendingInfo(jid, cursor.Device, cursor.Resource, count.Entries, more, count.Oldest, sessions.Any(s => s.Device == cursor.Device)));
    }

    private sealed class Count
    {
        public int Entries { get; private set; }

        public DateTimeOffset Oldest { get; private set; }

        public void Add(LogEntry entry)
        {
            if (Entries++ == 0) Oldest = DateTimeOffset.FromUnixTimeMilliseconds(entry.At);
        }
    }
}
