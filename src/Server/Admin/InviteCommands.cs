using System.CommandLine;
using System.Globalization;

namespace Indaba.Server.Admin;

/// <summary><c>indaba invite …</c></summary>
internal static class InviteCommands
{
    public static IEnumerable<Command> All(RemoteCommand remote)
    {
        var admin = new Option<bool>("--admin") { Description = "Whoever uses it becomes an administrator." };
        var uses = new Option<int>("--uses") { Description = "How many accounts can be made with it.", DefaultValueFactory = _ => 1, HelpName = "N" };
        var expires = new Option<string?>("--expires") { Description = "When it ends: 12h, 7d, 4w. Default: registration.invitationDays.", HelpName = "TIME" };
        expires.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && Hours(result.Tokens[0].Value) is null) result.AddError($"--expires wants a time such as 12h, 7d or 4w, not '{result.Tokens[0].Value}'");
        });
        var invite = remote.Of(new Command("invite", "Make an invitation and print its link.") { admin, uses, expires, RemoteCommand.Json }, async (client, parsed, cancel) =>
        {
            var request = new InviteRequest(parsed.GetValue(admin), parsed.GetValue(uses), parsed.GetValue(expires) is { } text ? Hours(text) : null);
            var made = await client.SendAsync(HttpMethod.Post, "invitations", request, AdminJson.Default.InviteRequest, AdminJson.Default.InviteInfo, cancel).ConfigureAwait(false);
            if (remote.PrintJson(parsed, made, AdminJson.Default.InviteInfo)) return CommandLine.Done;
            if (made.Link is not null) remote.Terminal.Out.WriteLine(made.Link);
            remote.Terminal.Out.WriteLine(made.Xmpp);
            remote.Terminal.Out.WriteLine($"{made.MaxUses} {(made.MaxUses == 1 ? "use" : "uses")}, until {Terminal.Time(made.Expires)}");
            return CommandLine.Done;
        });
        invite.Add(List(remote));
        invite.Add(Revoke(remote));
        return [invite];
    }

    private static Command List(RemoteCommand remote)
    {
        var all = new Option<bool>("--all") { Description = "Used and expired ones too." };
        return remote.Of(new Command("list", "List invitations.") { all, RemoteCommand.Json }, async (client, parsed, cancel) =>
        {
            var found = await client.GetAsync("invitations", AdminJson.Default.Invites, cancel).ConfigureAwait(false);
            if (!parsed.GetValue(all)) found = new Invites([.. found.Invitations.Where(i => i.State == "open")]);
            if (remote.PrintJson(parsed, found, AdminJson.Default.Invites)) return CommandLine.Done;
            remote.Terminal.Table(["token", "kind", "role", "by", "uses", "state", "expires"],
                found.Invitations.Select(i => new[] { i.Token, i.Kind, i.Role, i.By ?? "", $"{i.Uses}/{i.MaxUses}", i.State, Terminal.Time(i.Expires) }));
            return CommandLine.Done;
        });
    }

    private static Command Revoke(RemoteCommand remote)
    {
        var token = new Argument<string>("TOKEN") { Description = "The token, or the whole link." };
        return remote.Of(new Command("revoke", "Take an invitation back.") { token }, async (client, parsed, cancel) =>
        {
            var text = parsed.GetValue(token)!;
            var cut = text.Split('/', '=')[^1];
            await client.TextAsync(HttpMethod.Delete, $"invitations/{Uri.EscapeDataString(cut)}", cancel).ConfigureAwait(false);
            remote.Terminal.Out.WriteLine("the invitation is void");
            return CommandLine.Done;
        });
    }

    /// <summary>Hours of "12h", "7d", "4w"; null when it is not such a time.</summary>
    internal static double? Hours(string text)
    {
        var unit = text.Length == 0 ? 0 : char.ToLowerInvariant(text[^1]) switch { 'h' => 1, 'd' => 24, 'w' => 24 * 7, _ => 0 };
        return unit > 0 && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number * (double)unit : null;
    }
}
