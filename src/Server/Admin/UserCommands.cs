using System.CommandLine;

namespace Indaba.Server.Admin;

/// <summary><c>indaba user …</c></summary>
internal static class UserCommands
{
    private const int AtOnce = 250;

    public static IEnumerable<Command> All(RemoteCommand remote) =>
    [
        new Command("user", "Make and change accounts.")
        {
            Add(remote), List(remote), Password(remote), Delete(remote),
            Change(remote, "disable", "Let nobody log in to an account; its sessions end, its messages are kept.", "disabled"),
            Change(remote, "enable", "Let an account log in again.", "enabled"),
            RoleCommand(remote),
        },
    ];

    private static Argument<string> Name() => new("NAME") { Description = "The part before the @, or the whole address." };

    private static Command Add(RemoteCommand remote)
    {
        var name = new Argument<string?>("NAME") { Description = "The part before the @.", Arity = ArgumentArity.ZeroOrOne };
        var password = new Option<string?>("--password") { Description = "The password. It can be seen by others on this machine while the command runs; without it, it is asked for." };
        var stdin = new Option<bool>("--stdin") { Description = "Read many accounts from standard input, one \"NAME PASSWORD\" a line." };
        var admin = new Option<bool>("--admin") { Description = "Make administrators." };
        var command = new Command("add", "Make an account, or many.") { name, password, stdin, admin };
        command.Validators.Add(result =>
        {
            if (result.GetValue(name) is null == !result.GetValue(stdin)) result.AddError("either NAME or --stdin is wanted");
        });
        return remote.Of(command, async (client, parsed, cancel) =>
        {
            var role = parsed.GetValue(admin);
            if (parsed.GetValue(stdin)) return await AddManyAsync(remote, client, role, cancel).ConfigureAwait(false);
            var one = parsed.GetValue(name)!;
            if ((parsed.GetValue(password) ?? remote.Terminal.AskPassword(one)) is not { } secret)
            {
                remote.Terminal.Error.WriteLine("indaba: a password is wanted: --password, or a terminal to ask at");
                return CommandLine.Wrong;
            }
            var reply = await PostAsync(client, [new NewUser(one, secret, role)], cancel).ConfigureAwait(false);
            return Tell(remote, reply) == 0 ? CommandLine.Done : CommandLine.Failed;
        });
    }

    private static async Task<int> AddManyAsync(RemoteCommand remote, AdminClient client, bool admin, CancellationToken cancel)
    {
        var failed = 0;
        var made = 0;
        var line = 0;
        var batch = new List<NewUser>(AtOnce);
        async Task SendAsync()
        {
            if (batch.Count == 0) return;
            var replies = await PostAsync(client, batch, cancel).ConfigureAwait(false);
            var bad = Tell(remote, replies, quiet: true);
            failed += bad;
            made += replies.Users.Count - bad;
            batch.Clear();
        }
        while (await remote.Terminal.In.ReadLineAsync(cancel).ConfigureAwait(false) is { } text)
        {
            line++;
            if (string.IsNullOrWhiteSpace(text)) continue;
            var parts = text.Trim().Split((char[])[' ', '\t'], 2, StringSplitOptions.TrimEntries);
            if (parts.Length < 2)
            {
                remote.Terminal.Error.WriteLine($"indaba: line {line}: \"NAME PASSWORD\" is wanted");
                failed++;
                continue;
            }
            batch.Add(new NewUser(parts[0], parts[1], admin));
            if (batch.Count == AtOnce) await SendAsync().ConfigureAwait(false);
        }
        await SendAsync().ConfigureAwait(false);
        remote.Terminal.Out.WriteLine($"{made} made, {failed} failed");
        return failed == 0 ? CommandLine.Done : CommandLine.Failed;
    }

    private static Task<UserReplies> PostAsync(AdminClient client, IReadOnlyList<NewUser> users, CancellationToken cancel) =>
        client.SendAsync(HttpMethod.Post, "users", new NewUsers(users), AdminJson.Default.NewUsers, AdminJson.Default.UserReplies, cancel);

    /// <summary>Says what became of each; returns how many failed.</summary>
    private static int Tell(RemoteCommand remote, UserReplies replies, bool quiet = false)
    {
        foreach (var reply in replies.Users)
        {
            if (reply.Error is { } error) remote.Terminal.Error.WriteLine($"indaba: {Terminal.Clean(error)}");
            else if (!quiet) remote.Terminal.Out.WriteLine($"{reply.Jid} is made");
        }
        return replies.Users.Count(r => r.Error is not null);
    }

    private static Command List(RemoteCommand remote) => remote.Of(new Command("list", "List all accounts.") { RemoteCommand.Json }, async (client, parsed, cancel) =>
    {
        var users = new List<UserInfo>();
        for (long? after = 0; after is not null;)
        {
            var page = await client.GetAsync($"users?after={after}", AdminJson.Default.UserPage, cancel).ConfigureAwait(false);
            users.AddRange(page.Users);
            after = page.Next;
        }
        if (remote.PrintJson(parsed, new UserPage(users, null), AdminJson.Default.UserPage)) return CommandLine.Done;
        remote.Terminal.Table(["address", "role", "state", "sessions", "since"], users.Select(u => new[] { u.Jid, u.Role, u.Disabled ? "disabled" : "", $"{u.Sessions}", Terminal.Time(u.Created) }));
        return CommandLine.Done;
    });

    private static Command Password(RemoteCommand remote)
    {
        var name = Name();
        var password = new Option<string?>("--password") { Description = "The new password; without it, it is asked for." };
        return remote.Of(new Command("passwd", "Set a password. The account's sessions end, and its devices must log in anew.") { name, password }, async (client, parsed, cancel) =>
        {
            var one = parsed.GetValue(name)!;
            if ((parsed.GetValue(password) ?? remote.Terminal.AskPassword(one)) is not { } secret)
            {
                remote.Terminal.Error.WriteLine("indaba: a password is wanted: --password, or a terminal to ask at");
                return CommandLine.Wrong;
            }
            var reply = await client.SendAsync(HttpMethod.Put, $"users/{Uri.EscapeDataString(one)}/password", new PasswordRequest(secret), AdminJson.Default.PasswordRequest, AdminJson.Default.UserReply, cancel).ConfigureAwait(false);
            remote.Terminal.Out.WriteLine($"{reply.Jid} has a new password");
            return CommandLine.Done;
        });
    }

    private static Command Delete(RemoteCommand remote)
    {
        var name = Name();
        var yes = new Option<bool>("--yes") { Description = "Do not ask." };
        return remote.Of(new Command("delete", "Delete an account with its messages, contacts and devices, for good.") { name, yes }, async (client, parsed, cancel) =>
        {
            var one = parsed.GetValue(name)!;
            if (!parsed.GetValue(yes) && !remote.Terminal.Confirm($"Delete {Terminal.Clean(one)} and all its messages?"))
            {
                remote.Terminal.Error.WriteLine(remote.Terminal.Interactive ? "nothing was deleted" : "indaba: --yes is wanted where nobody can be asked");
                return CommandLine.Failed;
            }
            var reply = await client.SendAsync(HttpMethod.Delete, $"users/{Uri.EscapeDataString(one)}", AdminJson.Default.UserReply, cancel).ConfigureAwait(false);
            remote.Terminal.Out.WriteLine($"{reply.Jid} is deleted");
            return CommandLine.Done;
        });
    }

    private static Command Change(RemoteCommand remote, string verb, string description, string done)
    {
        var name = Name();
        return remote.Of(new Command(verb, description) { name }, async (client, parsed, cancel) =>
        {
            var reply = await client.SendAsync(HttpMethod.Post, $"users/{Uri.EscapeDataString(parsed.GetValue(name)!)}/{verb}", AdminJson.Default.UserReply, cancel).ConfigureAwait(false);
            remote.Terminal.Out.WriteLine($"{reply.Jid} is {done}");
            return CommandLine.Done;
        });
    }

    private static Command RoleCommand(RemoteCommand remote)
    {
        var name = Name();
        var role = new Argument<string>("ROLE") { Description = "admin or user." };
        role.AcceptOnlyFromAmong("admin", "user");
        return remote.Of(new Command("role", "Make an account an administrator, or an ordinary one.") { name, role }, async (client, parsed, cancel) =>
        {
            var wanted = parsed.GetValue(role)!;
            var reply = await client.SendAsync(HttpMethod.Put, $"users/{Uri.EscapeDataString(parsed.GetValue(name)!)}/role", new RoleRequest(wanted == "admin"), AdminJson.Default.RoleRequest, AdminJson.Default.UserReply, cancel).ConfigureAwait(false);
            remote.Terminal.Out.WriteLine($"{reply.Jid} is now {wanted}");
            return CommandLine.Done;
        });
    }
}
