using System.CommandLine;

namespace Indaba.Server.Admin;

/// <summary>Commands that look and change nothing, and <c>indaba reload</c>.</summary>
internal static class ReportCommands
{
    public static IEnumerable<Command> All(RemoteCommand remote) => [Status(remote), Sessions(remote), Pending(remote), Message(remote), Metrics(remote), Reload(remote)];

    private static Command Status(RemoteCommand remote) => remote.Of(new Command("status", "Say whether the server runs, and how.") { RemoteCommand.Json }, async (client, parsed, cancel) =>
    {
        var status = await client.GetAsync("status", AdminJson.Default.StatusReply, cancel).ConfigureAwait(false);
        if (remote.PrintJson(parsed, status, AdminJson.Default.StatusReply)) return CommandLine.Done;
        remote.Terminal.Out.WriteLine($"Indaba {status.Version} for {status.Domain}, process {status.ProcessId}, since {Terminal.Time(status.Started)}");
        remote.Terminal.Out.WriteLine($"{status.Accounts} accounts, {status.Sessions} sessions, data in {status.DataDirectory}");
        if (status.PublicUrl is not null) remote.Terminal.Out.WriteLine(status.PublicUrl);
        return CommandLine.Done;
    });

    private static Command Sessions(RemoteCommand remote) => remote.Of(new Command("sessions", "The process table: every session of this node.") { RemoteCommand.Json }, async (client, parsed, cancel) =>
    {
        var found = await client.GetAsync("sessions", AdminJson.Default.SessionList, cancel).ConfigureAwait(false);
        if (remote.PrintJson(parsed, found, AdminJson.Default.SessionList)) return CommandLine.Done;
        remote.Terminal.Table(["session", "address", "device", "node", "from", "by", "since", "state", "queue", "unacked"],
            found.Sessions.Select(s => new[] { s.Id, s.Jid, s.Device, s.Node, s.Address, s.Secure ? s.Transport : $"{s.Transport} (clear)", Terminal.Time(s.Since), s.State, $"{s.Queue}", $"{s.Unacked}" }));
        return CommandLine.Done;
    });

    private static Command Pending(RemoteCommand remote)
    {
        var account = new Argument<string?>("NAME") { Description = "One account; all when it is not given.", Arity = ArgumentArity.ZeroOrOne };
        return remote.Of(new Command("pending", "How many messages wait, and for whom.") { account, RemoteCommand.Json }, async (client, parsed, cancel) =>
        {
            var name = parsed.GetValue(account);
            var found = await client.GetAsync(name is null ? "pending" : $"pending?account={Uri.EscapeDataString(name)}", AdminJson.Default.PendingList, cancel).ConfigureAwait(false);
            if (remote.PrintJson(parsed, found, AdminJson.Default.PendingList)) return CommandLine.Done;
            if (found.Pending.Count == 0) remote.Terminal.Out.WriteLine("nothing waits");
            else
                remote.Terminal.Table(["address", "for", "waiting", "oldest", "connected"],
                    found.Pending.Select(p => new[] { p.Jid, Device(p.Device, p.Resource), $"{p.Waiting}{(p.More ? "+" : "")}", Terminal.Time(p.Oldest), p.Connected ? "yes" : "no" }));
            return CommandLine.Done;
        });
    }

    private static Command Message(RemoteCommand remote)
    {
        var id = new Argument<string>("ID") { Description = "The server's id of the message (stanza-id), or with --account the client's own." };
        var account = new Option<string?>("--account") { Description = "The account in whose log to look for a client's id.", HelpName = "NAME" };
        return remote.Of(new Command("message", "The life of one message: when it was taken, which devices have it. Never its content.") { id, account, RemoteCommand.Json }, async (client, parsed, cancel) =>
        {
            var path = $"messages/{Uri.EscapeDataString(parsed.GetValue(id)!)}";
            if (parsed.GetValue(account) is { } name) path += $"?account={Uri.EscapeDataString(name)}";
            var life = await client.GetAsync(path, AdminJson.Default.MessageInfo, cancel).ConfigureAwait(false);
            if (remote.PrintJson(parsed, life, AdminJson.Default.MessageInfo)) return CommandLine.Done;
            var screen = remote.Terminal;
            screen.Out.WriteLine($"from       {Terminal.Clean(life.From)}");
            screen.Out.WriteLine($"to         {Terminal.Clean(life.To)}");
            if (life.MessageId is { } own) screen.Out.WriteLine($"id         {Terminal.Clean(own)}");
            screen.Out.WriteLine($"committed  {Terminal.Time(life.Committed)}");
            if (life.SenderCopy is { } sent) screen.Out.WriteLine($"           {sent} in the sender's log");
            if (life.RecipientCopy is { } taken) screen.Out.WriteLine($"           {taken} in the recipient's log");
            screen.Out.WriteLine($"received   {(life.Received is { } r ? "by " + Terminal.Time(r) : "not yet, as far as clients have said")}");
            screen.Out.WriteLine($"displayed  {(life.Displayed is { } d ? "by " + Terminal.Time(d) : "not yet, as far as clients have said")}");
            screen.Out.WriteLine();
            if (life.Devices.Count == 0) screen.Out.WriteLine(life.RecipientCopy is null ? "nothing is known of the recipient's devices" : "no device of the recipient has been here yet");
            else screen.Table(["device", "state", "cursor moved", "session"], life.Devices.Select(v => new[] { Device(v.Device, v.Resource), v.State, v.CursorAt is { } at ? Terminal.Time(at) : "", v.Session ?? "" }));
            return CommandLine.Done;
        });
    }

    private static Command Metrics(RemoteCommand remote) => remote.Of(new Command("metrics", "Print all counters in the Prometheus format."), async (client, _, cancel) =>
    {
        await remote.Terminal.Out.WriteAsync(await client.TextAsync(HttpMethod.Get, "metrics", cancel).ConfigureAwait(false)).ConfigureAwait(false);
        return CommandLine.Done;
    });

    private static Command Reload(RemoteCommand remote) => remote.Of(new Command("reload", "Read the settings again now (the server also does so by itself)."), async (client, _, cancel) =>
    {
        var done = await client.SendAsync(HttpMethod.Post, "reload", AdminJson.Default.ReloadReply, cancel).ConfigureAwait(false);
        foreach (var mistake in done.Mistakes) remote.Terminal.Error.WriteLine($"indaba: {mistake}");
        if (done.Changed.Count > 0) remote.Terminal.Out.WriteLine($"changed: {string.Join(", ", done.Changed)}");
        if (done.Waiting.Count > 0) remote.Terminal.Out.WriteLine($"at the next start: {string.Join(", ", done.Waiting)}");
        if (done is { Mistakes.Count: 0, Changed.Count: 0, Waiting.Count: 0 }) remote.Terminal.Out.WriteLine("nothing has changed");
        return done.Mistakes.Count == 0 ? CommandLine.Done : CommandLine.Wrong;
    });

    // A device key is "ua:ID", "r:RESOURCE", or empty for clients that name neither.
    private static string Device(string? key, string? resource) => key is null ? "whoever comes first" : key.Length == 0 ? $"unnamed ({resource})" : key.StartsWith("r:", StringComparison.Ordinal) || resource is null or "" ? key : $"{key} ({resource})";
}
