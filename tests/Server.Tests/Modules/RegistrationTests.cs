using Indaba.Server.Accounts;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Modules;

public sealed class OpenServer : NodeServer
{
    private protected override ServerOptions Configure(ServerOptions options) => options with { Registration = new RegistrationOptions { Mode = RegistrationMode.Open, AttemptsPerAddressPerHour = 12, MinPasswordLength = 6 } };
}

public sealed class ClosedServer : NodeServer
{
    private protected override ServerOptions Configure(ServerOptions options) => options with { Registration = new RegistrationOptions { Mode = RegistrationMode.Closed } };
}

public sealed class InviteServer : NodeServer
{
    private protected override ServerOptions Configure(ServerOptions options) => options with { Registration = new RegistrationOptions { MinPasswordLength = 6, AttemptsPerAddressPerHour = 1000 } };
}

/// <summary>XEP-0077 on an open server.</summary>
public sealed class OpenRegistrationTests(OpenServer server) : IClassFixture<OpenServer>
{
    [Fact]
    public async Task An_account_is_made_and_can_log_in_and_what_is_wrong_is_refused()
    {
        await using var client = await WireClient.Connect(server.Server, Transport.DirectTls);
        Assert.NotNull(client.Features.Child("register", Ns.RegisterFeature));
        var fields = await client.Request($"<iq type='get' to='localhost'><query xmlns='{Ns.Register}'/></iq>");
        Assert.NotNull(fields.Child("query", Ns.Register)!.Child("username", Ns.Register));
        Assert.NotNull(fields.Child("query", Ns.Register)!.Child("password", Ns.Register));

        Assert.Equal("not-acceptable", await Refused(client, "", "secret-1"));
        Assert.Equal("not-acceptable", await Refused(client, "bill", ""));
        Assert.Equal("not-acceptable", await Refused(client, "bill", "short"));
        Assert.Equal("not-acceptable", await Refused(client, "b@d@n", "secret-1"));
        Assert.Equal("unexpected-request", ArchiveTests.ConditionOf(await client.Request($"<iq type='set'><query xmlns='{Ns.Register}'><remove/></query></iq>")));
        var made = await client.Request(Register("Bill", "secret-1"));
        Assert.Equal("result", made["type"]);
        Assert.DoesNotContain("secret", made.ToString(), StringComparison.Ordinal);
        Assert.Equal("not-acceptable", await Refused(client, "second", "secret-1")); // one is enough for a connection
        await client.Authenticate("bill", "secret-1");
        await client.Bind(null);
        Assert.StartsWith("bill@localhost/", client.Jid, StringComparison.Ordinal);

        await using var other = await WireClient.Connect(server.Server, Transport.DirectTls);
        var taken = await other.Request(Register("bill", "secret-2"));
        Assert.Equal("conflict", ArchiveTests.ConditionOf(taken));
        Assert.DoesNotContain("secret", taken.ToString(), StringComparison.Ordinal);
        Assert.Equal("result", (await other.Request($"<iq type='set'><query xmlns='{Ns.Register}'><x xmlns='{Ns.DataForms}' type='submit'><field var='FORM_TYPE'><value>{Ns.Register}</value></field><field var='username'><value>ben</value></field><field var='password'><value>secret-3</value></field></x></query></iq>"))["type"]);

        // Attempts of an address are counted, here 12 in an hour, also those that succeed.
        await using var flood = await WireClient.Connect(server.Server, Transport.DirectTls);
        string? last = null;
        for (var i = 0; i < 12 && last != "resource-constraint"; i++) last = await Refused(flood, "bill", "secret-2");
        Assert.Equal("resource-constraint", last);
    }

    [Fact]
    public async Task Nothing_is_offered_or_taken_without_encryption()
    {
        await using var client = await WireClient.Connect(server.Server);
        Assert.Null(client.Features.Child("register", Ns.RegisterFeature));
        Assert.Equal("policy-violation", await Refused(client, "plain", "secret-1"));
    }

    internal static string Register(string name, string password) => new Element("iq", Ns.Client).With("type", "set")
        .Add(new Element("query", Ns.Register).Add("username", Ns.Register, name).Add("password", Ns.Register, password)).ToString();

    internal static async Task<string?> Refused(WireClient client, string name, string password) => ArchiveTests.ConditionOf(await client.Request(Register(name, password)));
}

/// <summary>XEP-0077 on a closed server.</summary>
public sealed class ClosedRegistrationTests(ClosedServer server) : IClassFixture<ClosedServer>
{
    [Fact]
    public async Task Nothing_is_offered_and_nothing_taken()
    {
        await using var client = await WireClient.Connect(server.Server, Transport.DirectTls);
        Assert.Null(client.Features.Child("register", Ns.RegisterFeature));
        Assert.Null(client.Features.Child("register", Ns.InviteRegister));
        Assert.Equal("service-unavailable", ArchiveTests.ConditionOf(await client.Request($"<iq type='get'><query xmlns='{Ns.Register}'/></iq>")));
        Assert.Equal("service-unavailable", await OpenRegistrationTests.Refused(client, "bill", "secret-1"));
        Assert.Null(await server.Node.AccountService.FindAsync("bill", TestContext.Current.CancellationToken));
    }
}

/// <summary>XEP-0445 and XEP-0401: accounts by invitation.</summary>
public sealed class InvitedRegistrationTests(InviteServer server) : IClassFixture<InviteServer>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_an_invitation_there_is_no_account()
    {
        await using var client = await WireClient.Connect(server.Server, Transport.DirectTls);
        Assert.NotNull(client.Features.Child("register", Ns.InviteRegister));
        Assert.Equal("not-allowed", await OpenRegistrationTests.Refused(client, "bill", "secret-1"));
        Assert.Equal("item-not-found", ArchiveTests.ConditionOf(await client.Request(Preauth("nonsense"))));
        Assert.Equal("item-not-found", ArchiveTests.ConditionOf(await client.Request(Preauth(new string('a', 32)))));
        Assert.Equal("bad-request", ArchiveTests.ConditionOf(await client.Request($"<iq type='set'><preauth xmlns='{Ns.Preauth}'/></iq>")));
        Assert.Equal("not-allowed", await OpenRegistrationTests.Refused(client, "bill", "secret-1"));
    }

    [Fact]
    public async Task An_invitation_makes_one_account_and_is_not_used_up_by_a_failure()
    {
        await server.Node.AccountService.CreateAsync("taken", "secret-1", Role.User, Cancel);
        var invitation = await server.Node.Invitations.CreateAsync(cancel: Cancel);
        await using var client = await WireClient.Connect(server.Server, Transport.DirectTls);
        Assert.Equal("result", (await client.Request(Preauth(invitation.Token)))["type"]);
        Assert.Equal("conflict", await OpenRegistrationTests.Refused(client, "taken", "secret-1"));
        Assert.Equal("not-acceptable", await OpenRegistrationTests.Refused(client, "invited", "x"));
        Assert.Equal("result", (await client.Request(OpenRegistrationTests.Register("invited", "secret-1")))["type"]);
        await client.Authenticate("invited", "secret-1");

        await using var second = await WireClient.Connect(server.Server, Transport.DirectTls);
        Assert.Equal("item-not-found", ArchiveTests.ConditionOf(await second.Request(Preauth(invitation.Token))));
    }

    [Fact]
    public async Task Of_two_that_hold_the_last_use_one_gets_the_account()
    {
        var invitation = await server.Node.Invitations.CreateAsync(cancel: Cancel);
        await using var one = await WireClient.Connect(server.Server, Transport.DirectTls);
        await using var two = await WireClient.Connect(server.Server, Transport.DirectTls);
        await one.Request(Preauth(invitation.Token));
        await two.Request(Preauth(invitation.Token));
        Assert.Equal("result", (await one.Request(OpenRegistrationTests.Register("winner", "secret-1")))["type"]);
        Assert.Equal("not-allowed", await OpenRegistrationTests.Refused(two, "loser", "secret-1"));
        Assert.Null(await server.Node.AccountService.FindAsync("loser", Cancel));
    }

    [Fact]
    public async Task A_user_invites_by_command()
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        var answer = (await client.Request(Command(Ns.InviteUser))).Child("command", Ns.Commands)!;
        Assert.Equal("completed", answer["status"]);
        var form = Xmpp.Stanzas.DataForm.Parse(answer.Child("x", Ns.DataForms)!);
        Assert.Equal(Ns.InviteForm, form.FormType);
        Assert.StartsWith($"xmpp:{client.BareJid}?roster;preauth=", form["uri"], StringComparison.Ordinal);
        Assert.EndsWith(";ibr=y", form["uri"], StringComparison.Ordinal);
        Assert.True(Timestamp.TryParse(form["expire"], out var expires) && expires > DateTimeOffset.UnixEpoch);

        var token = form["uri"]!.Split("preauth=")[1].Split(';')[0];
        Assert.EndsWith(token, form["landing-url"], StringComparison.Ordinal);
        await using var friend = await WireClient.Connect(server.Server, Transport.DirectTls);
        Assert.Equal("result", (await friend.Request(Preauth(token)))["type"]);
        Assert.Equal("result", (await friend.Request(OpenRegistrationTests.Register("friend", "secret-1")))["type"]);
    }

    [Fact]
    public async Task Inviter_and_invited_become_contacts_at_once()
    {
        var romeo = await server.AddAccount("romeo");
        await using var client = await server.Login(romeo, "orchard");
        await client.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        var invitation = (await server.Node.Invitations.CreateContactAsync(romeo, cancel: Cancel))!;
        Assert.True((await server.Node.Invitations.RegisterAsync(invitation.Token, "julia", "secret-1", Cancel)).IsDone);
        await client.Expect(e => Item(e) is { } item && item["jid"] == "julia@localhost" && item["subscription"] == "both", "a roster push with both");
        await using var julia = await WireClient.Login(server.Server, "julia", "chamber", Transport.DirectTls, "secret-1");
        var roster = await julia.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        Assert.Equal("both", Item(roster)!["subscription"]);
        Assert.Equal(client.BareJid, Item(roster)!["jid"]);
        await julia.Send("<presence/>");
        await client.Expect(e => e.Name == "presence" && e["from"] == julia.Jid, "presence of the new contact");
        await julia.Expect(e => e.Name == "presence" && e["from"] == client.Jid, "presence of the inviter");
    }

    [Fact]
    public async Task A_token_approves_a_request_of_somebody_who_has_an_account_once()
    {
        var (romeo, juliet, tybalt) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"), await server.AddAccount("tybalt"));
        await using var r = await server.Login(romeo, "orchard");
        await using var j = await server.Login(juliet, "chamber");
        await using var t = await server.Login(tybalt, "street");
        await j.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        var invitation = (await server.Node.Invitations.CreateContactAsync(romeo, cancel: Cancel))!;
        var request = $"<presence to='{r.BareJid}' type='subscribe'><preauth xmlns='{Ns.Preauth}' token='{invitation.Token}'/></presence>";
        await j.Send($"<presence to='{r.BareJid}' type='subscribed'/>{request}"); // XEP-0379 section 3.4: pre-approved
        await j.Expect(e => Item(e) is { } item && item["subscription"] == "both", "a roster push with both");
        await r.Barrier();
        Assert.DoesNotContain(r.Inbox, e => e["type"] == "subscribe"); // nobody was asked

        await t.Send(request); // used up, so it is a request like any other
        await r.Expect(e => e.Name == "presence" && e["type"] == "subscribe" && e["from"] == t.BareJid, "a request");
        var hers = (await server.Node.Invitations.CreateContactAsync(juliet, cancel: Cancel))!;
        await t.Send(request.Replace(invitation.Token, hers.Token, StringComparison.Ordinal)); // another's token
        await t.Barrier();
        Assert.NotNull(await server.Node.Invitations.FindAsync(hers.Token, Cancel));
    }

    [Fact]
    public async Task Commands_are_found_by_disco()
    {
        var admin = await server.AddAccount("admin");
        await using var client = await server.Login(admin, "a");
        var items = $"<iq type='get' to='localhost'><query xmlns='{Ns.DiscoItems}' node='{Ns.Commands}'/></iq>";
        Assert.Equal([Ns.InviteUser], (await client.Request(items)).Child("query", Ns.DiscoItems)!.Elements.Select(e => e["node"]!).ToArray());
        await server.Node.AccountService.SetRoleAsync(admin.Local, Role.Admin, Cancel);
        Assert.Equal([Ns.InviteUser, Ns.InviteAccount], (await client.Request(items)).Child("query", Ns.DiscoItems)!.Elements.Select(e => e["node"]!).ToArray());
        var info = (await client.Request($"<iq type='get' to='localhost'><query xmlns='{Ns.DiscoInfo}' node='{Ns.InviteUser}'/></iq>")).Child("query", Ns.DiscoInfo)!;
        Assert.Equal("command-node", info.Child("identity", Ns.DiscoInfo)!["type"]);
        Assert.Equal("item-not-found", ArchiveTests.ConditionOf(await client.Request($"<iq type='get' to='localhost'><query xmlns='{Ns.DiscoInfo}' node='nothing'/></iq>")));
    }

    [Fact]
    public async Task An_administrator_keeps_a_name_for_the_invited()
    {
        var admin = await server.AddAccount("admin");
        await using var user = await server.Login(await server.AddAccount("user"), "u");
        Assert.Equal("forbidden", ArchiveTests.ConditionOf(await user.Request(Command(Ns.InviteAccount))));
        await server.Node.AccountService.SetRoleAsync(admin.Local, Role.Admin, Cancel);
        await using var client = await server.Login(admin, "a");
        var first = (await client.Request(Command(Ns.InviteAccount))).Child("command", Ns.Commands)!;
        Assert.Equal("executing", first["status"]);
        Assert.NotNull(first.Child("actions", Ns.Commands)!.Child("complete", Ns.Commands));
        var done = (await client.Request(Command(Ns.InviteAccount, first["sessionid"], "Juliet"))).Child("command", Ns.Commands)!;
        Assert.Equal("completed", done["status"]);
        Assert.Equal(first["sessionid"], done["sessionid"]);
        var uri = Xmpp.Stanzas.DataForm.Parse(done.Child("x", Ns.DataForms)!)["uri"]!;
        Assert.StartsWith("xmpp:juliet@localhost?register;preauth=", uri, StringComparison.Ordinal);
        var again = (await client.Request(Command(Ns.InviteAccount, "s", "juliet"))).Child("command", Ns.Commands)!;
        Assert.Equal("error", again.Child("note", Ns.Commands)!["type"]);

        Assert.Equal(AccountOutcome.NameTaken, (await server.Node.AccountService.CreateAsync("juliet", "secret-1", Role.User, Cancel)).Outcome);
        var other = await server.Node.Invitations.CreateAsync(cancel: Cancel);
        Assert.Equal(AccountOutcome.NameTaken, (await server.Node.Invitations.RegisterAsync(other.Token, "juliet", "secret-1", Cancel)).Outcome);
        var token = uri.Split("preauth=")[1];
        Assert.Equal(AccountOutcome.NameTaken, (await server.Node.Invitations.RegisterAsync(token, "rosaline", "secret-1", Cancel)).Outcome);
        Assert.True((await server.Node.Invitations.RegisterAsync(token, "juliet", "secret-1", Cancel)).IsDone);
    }

    [Fact]
    public async Task Commands_refuse_what_they_cannot_do()
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        Assert.Equal("item-not-found", ArchiveTests.ConditionOf(await client.Request(Command("no-such-command"))));
        var bad = await client.Request($"<iq type='set' to='localhost'><command xmlns='{Ns.Commands}' node='{Ns.InviteUser}' action='next'/></iq>");
        Assert.NotNull(bad.Child("error", Ns.Client)!.Child("bad-action", Ns.Commands));
        bad = await client.Request($"<iq type='set' to='localhost'><command xmlns='{Ns.Commands}' node='{Ns.InviteUser}' action='dance'/></iq>");
        Assert.NotNull(bad.Child("error", Ns.Client)!.Child("malformed-action", Ns.Commands));
        var cancelled = await client.Request($"<iq type='set' to='localhost'><command xmlns='{Ns.Commands}' node='{Ns.InviteUser}' sessionid='s1' action='cancel'/></iq>");
        Assert.Equal("canceled", cancelled.Child("command", Ns.Commands)!["status"]);
        Assert.Equal("s1", cancelled.Child("command", Ns.Commands)!["sessionid"]);
    }

    [Fact]
    public async Task Open_invitations_of_one_user_are_bounded()
    {
        await using var client = await server.Login(await server.AddAccount("romeo"), "orchard");
        Element command = null!;
        for (var i = 0; i <= 100; i++) command = (await client.Request(Command(Ns.InviteUser))).Child("command", Ns.Commands)!;
        Assert.Equal("completed", command["status"]);
        Assert.Equal("error", command.Child("note", Ns.Commands)!["type"]);
        Assert.Null(command.Child("x", Ns.DataForms));
    }

    [Fact]
    public async Task A_password_is_changed_by_its_owner_and_other_sessions_end()
    {
        await server.Node.AccountService.CreateAsync("changer", "secret-1", Role.User, Cancel);
        await using var client = await WireClient.Login(server.Server, "changer", "one", Transport.DirectTls, "secret-1");
        await using var other = await WireClient.Login(server.Server, "changer", "two", Transport.DirectTls, "secret-1");
        var told = (await client.Request($"<iq type='get' to='localhost'><query xmlns='{Ns.Register}'/></iq>")).Child("query", Ns.Register)!;
        Assert.NotNull(told.Child("registered", Ns.Register));
        Assert.Equal("changer", told.ChildText("username", Ns.Register));

        Assert.Equal("bad-request", await Change(client, "changer", ""));
        Assert.Equal("bad-request", await Change(client, "", "secret-2"));
        Assert.Equal("not-allowed", await Change(client, "somebody", "secret-2"));
        Assert.Equal("not-acceptable", await Change(client, "changer", "x"));
        Assert.Null(await Change(client, "changer", "secret-2"));
        Assert.Equal("not-authorized", await other.ExpectStreamError());
        await client.Barrier(); // this one goes on
        await using var late = await WireClient.Connect(server.Server, Transport.DirectTls);
        Assert.Equal("failure", (await late.TryAuthenticate("changer", "secret-1")).Name);
        await using var back = await WireClient.Login(server.Server, "changer", "three", Transport.DirectTls, "secret-2");
    }

    [Fact]
    public async Task Who_leaves_gets_the_answer_then_the_end_and_the_name_is_free()
    {
        await server.Node.AccountService.CreateAsync("leaver", "secret-1", Role.User, Cancel);
        await using var client = await WireClient.Login(server.Server, "leaver", "one", Transport.DirectTls, "secret-1");
        await using var other = await WireClient.Login(server.Server, "leaver", "two", Transport.DirectTls, "secret-1");
        Assert.Equal("bad-request", ArchiveTests.ConditionOf(await client.Request($"<iq type='set'><query xmlns='{Ns.Register}'><remove/><username>leaver</username></query></iq>")));
        Assert.Equal("result", (await client.Request($"<iq type='set'><query xmlns='{Ns.Register}'><remove/></query></iq>"))["type"]);
        Assert.Equal("not-authorized", await client.ExpectStreamError());
        Assert.Equal("not-authorized", await other.ExpectStreamError());
        while (await server.Node.AccountService.FindAsync("leaver", Cancel) is not null) await Task.Delay(10, Cancel); // it goes after its sessions
        Assert.True((await server.Node.AccountService.CreateAsync("leaver", "secret-2", Role.User, Cancel)).IsDone);
    }

    [Fact]
    public async Task Who_takes_a_name_that_was_left_inherits_no_contacts()
    {
        var romeo = await server.AddAccount("romeo");
        var invitation = (await server.Node.Invitations.CreateContactAsync(romeo, cancel: Cancel))!;
        await server.Node.Invitations.RegisterAsync(invitation.Token, "passer-by", "secret-1", Cancel);
        await using var client = await server.Login(romeo, "orchard");
        await client.Request($"<iq type='get'><query xmlns='{Ns.Roster}'/></iq>");
        Assert.True((await server.Node.AccountService.DeleteAsync("passer-by", Cancel)).IsDone);
        await client.Expect(e => Item(e) is { } item && item["jid"] == "passer-by@localhost" && item["subscription"] == "none", "a roster push without subscription");
        await server.Node.AccountService.CreateAsync("passer-by", "secret-1", Role.User, Cancel);
        await using var heir = await WireClient.Login(server.Server, "passer-by", "one", Transport.DirectTls, "secret-1");
        await heir.Send("<presence/>");
        await heir.Barrier();
        Assert.DoesNotContain(heir.Inbox, e => e["from"] == client.Jid);
        await client.Barrier();
        Assert.DoesNotContain(client.Inbox, e => e["from"] == heir.Jid);
    }

    private static Element? Item(Element iq) => iq.Child("query", Ns.Roster)?.Child("item", Ns.Roster);

    private static string Preauth(string token) => $"<iq type='set' to='localhost'><preauth xmlns='{Ns.Preauth}' token='{token}'/></iq>";

    private static Element Command(string node, string? session = null, string? username = null)
    {
        var command = new Element("command", Ns.Commands).With("node", node).With("action", session is null ? "execute" : null).With("sessionid", session);
        if (username is not null) command.Add(new Element("x", Ns.DataForms).With("type", "submit").Add(ArchiveTests.Field("username", username)));
        return new Element("iq", Ns.Client).With("type", "set").With("to", "localhost").Add(command);
    }

    private static async Task<string?> Change(WireClient client, string name, string password) => ArchiveTests.ConditionOf(await client.Request(
        $"<iq type='set' to='localhost'><query xmlns='{Ns.Register}'><username>{name}</username><password>{password}</password></query></iq>"));
}
