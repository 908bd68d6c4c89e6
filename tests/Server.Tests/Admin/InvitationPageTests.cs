using System.Net;
using Indaba.Server.Accounts;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Indaba.Xmpp.Sasl;
using Xunit;

namespace Indaba.Server.Tests.Admin;

public sealed class InvitationPageTests : IAsyncLifetime
{
    private SmallServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await SmallServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private Task<HttpResponseMessage> PostAsync(string token, string name, string password) =>
        _server.Http.PostAsync(new Uri($"invite/{token}", UriKind.Relative), new FormUrlEncodedContent(new Dictionary<string, string> { ["name"] = name, ["password"] = password }));

    private async Task<(HttpStatusCode Status, string Html)> GetAsync(string token, string language = "en")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"invite/{token}", UriKind.Relative));
        request.Headers.Add("Accept-Language", language);
        using var response = await _server.Http.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_link_shows_what_it_is_and_makes_one_account()
    {
        var invitation = await _server.Invitations.CreateAsync();
        Assert.Equal($"http://localhost:{_server.Http.BaseAddress!.Port}/invite/{invitation.Token}", _server.Invitations.Link(invitation)!.AbsoluteUri);
        var (status, html) = await GetAsync(invitation.Token);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("<h1>You are invited to localhost</h1>", html, StringComparison.Ordinal);
        Assert.Contains($"href=\"xmpp:localhost?register;preauth={invitation.Token}\"", html, StringComparison.Ordinal);
        Assert.Contains("<svg viewBox=", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("src=", html, StringComparison.OrdinalIgnoreCase);

        using var made = await PostAsync(invitation.Token, " Juliet ", "wherefore art thou");
        var page = await made.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.OK, made.StatusCode);
        Assert.Contains("Welcome, juliet@localhost", page, StringComparison.Ordinal);
        Assert.Contains("5222 (STARTTLS), 5223 (TLS)", page, StringComparison.Ordinal);

        var row = (await _server.Rows.FindAsync("juliet", "localhost"))!;
        Assert.Equal(Role.User, row.Role);
        var credentials = await _server.Rows.CredentialsAsync(row.Id);
        Assert.Equal(["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"], credentials.Select(c => c.Hash).Order());
        foreach (var credential in credentials)
        {
            Assert.True(ScramHashes.TryMechanism(credential.Hash, out var hash, out _));
            var keys = new ScramKeys(hash, credential.Salt, credential.Iterations, credential.StoredKey, credential.ServerKey);
            Assert.True(keys.Verify("wherefore art thou"));
            Assert.False(keys.Verify("wherefore art thou?"));
        }

        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync(invitation.Token)).Status);
        using var again = await PostAsync(invitation.Token, "romeo", "wherefore art thou");
        Assert.Equal(HttpStatusCode.NotFound, again.StatusCode);
        Assert.Null(await _server.Rows.FindAsync("romeo", "localhost"));
    }

    [Fact]
    public async Task The_page_may_load_nothing_and_is_kept_nowhere()
    {
        var invitation = await _server.Invitations.CreateAsync();
        using var response = await _server.Http.GetAsync(new Uri($"invite/{invitation.Token}", UriKind.Relative));
        string Header(string name) => string.Join(",", response.Headers.GetValues(name));
        Assert.StartsWith("default-src 'none'; style-src 'sha256-", Header("Content-Security-Policy"), StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", Header("Content-Security-Policy"), StringComparison.Ordinal);
        Assert.Equal("no-store", Header("Cache-Control"));
        Assert.Equal("no-referrer", Header("Referrer-Policy"));
        Assert.Equal("nosniff", Header("X-Content-Type-Options"));
        Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Theory]
    [InlineData("taken", "long enough", "The name taken is taken")]
    [InlineData("a b", "long enough", "This cannot be a name")]
    [InlineData("", "long enough", "This cannot be a name")]
    [InlineData("me@elsewhere.example", "long enough", "This cannot be a name")]
    [InlineData("juliet", "short", "The password is too short: 8 characters")]
    [InlineData("juliet", "", "This password cannot be used")]
    [InlineData("juliet", "control \u0007 character", "This password cannot be used")]
    public async Task What_cannot_be_is_said_and_the_invitation_stays_good(string name, string password, string sentence)
    {
        await _server.Accounts.CreateAsync("taken", "whatever it is", Role.User);
        var invitation = await _server.Invitations.CreateAsync();
        using var response = await PostAsync(invitation.Token, name, password);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
        var html = await response.Content.ReadAsStringAsync();
        Assert.Contains(sentence, html, StringComparison.Ordinal);
        Assert.DoesNotContain("long enough", html, StringComparison.Ordinal);
        using var second = await PostAsync(invitation.Token, "juliet", "long enough");
        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
    }

    [Fact]
    public async Task What_was_typed_comes_back_escaped()
    {
        var invitation = await _server.Invitations.CreateAsync();
        using var response = await PostAsync(invitation.Token, "\"><script>alert(1)</script>", "long enough");
        var html = await response.Content.ReadAsStringAsync();
        Assert.DoesNotContain("<script>", html, StringComparison.Ordinal);
        Assert.Contains("value=\"&quot;&gt;&lt;script&gt;", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_at_once_for_the_last_use_make_one_account()
    {
        var invitation = await _server.Invitations.CreateAsync();
        var posts = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => PostAsync(invitation.Token, $"user{i}", "long enough")));
        Assert.Equal(1, posts.Count(p => p.StatusCode == HttpStatusCode.OK));
        Assert.Equal(1, await _server.Rows.CountAsync());
        foreach (var post in posts) post.Dispose();
    }

    [Fact]
    public async Task The_first_account_is_the_administrator_and_the_link_dies_with_it()
    {
        var first = (await _server.Invitations.FirstAdminAsync())!;
        Assert.Equal(first.Token, (await _server.Invitations.FirstAdminAsync())!.Token); // the same link after a restart
        Assert.Contains("Set up localhost", (await GetAsync(first.Token)).Html, StringComparison.Ordinal);
        using var made = await PostAsync(first.Token, "boss", "long enough");
        Assert.Equal(HttpStatusCode.OK, made.StatusCode);
        Assert.Equal(Role.Admin, (await _server.Rows.FindAsync("boss", "localhost"))!.Role);
        Assert.Null(await _server.Invitations.FirstAdminAsync());
    }

    [Fact]
    public async Task An_unused_first_link_makes_no_second_administrator()
    {
        var first = (await _server.Invitations.FirstAdminAsync())!;
        await _server.Accounts.CreateAsync("made-by-command", "long enough", Role.Admin);
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync(first.Token)).Status);
        using var post = await PostAsync(first.Token, "thief", "long enough");
        Assert.Equal(HttpStatusCode.NotFound, post.StatusCode);
        Assert.Null(await _server.Invitations.FirstAdminAsync());
        Assert.DoesNotContain(await _server.Invitations.ListAsync(10), i => i.Token == first.Token);
    }

    [Fact]
    public async Task Invitations_of_users_bring_a_contact_and_one_use()
    {
        var romeo = (await _server.Accounts.CreateAsync("romeo", "long enough", Role.User)).Account!;
        var invitation = (await _server.Invitations.CreateContactAsync(romeo))!;
        Assert.Equal($"xmpp:romeo@localhost?roster;preauth={invitation.Token};ibr=y", _server.Invitations.XmppUri(invitation));
        Assert.Contains("romeo@localhost invites you to chat", (await GetAsync(invitation.Token)).Html, StringComparison.Ordinal);
        var result = await _server.Invitations.RegisterAsync(invitation.Token, "juliet", "long enough");
        Assert.Equal("romeo@localhost", result.Invitation!.RosterJid);
        Assert.Equal(1, result.Invitation.Uses);
    }

    [Fact]
    public async Task An_invitation_ends_in_time()
    {
        var invitation = await _server.Invitations.CreateAsync(expires: TimeSpan.FromHours(1));
        _server.Clock.Now = _server.Clock.Now.AddMinutes(59);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(invitation.Token)).Status);
        _server.Clock.Now = _server.Clock.Now.AddMinutes(2);
        Assert.Equal(HttpStatusCode.NotFound, (await GetAsync(invitation.Token)).Status);
    }

    [Fact]
    public async Task Who_tries_tokens_is_stopped_but_not_who_has_one()
    {
        for (var i = 0; i < 30; i++) Assert.Equal(HttpStatusCode.NotFound, (await GetAsync(Ids.Token())).Status);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await GetAsync(Ids.Token())).Status);
        var invitation = await _server.Invitations.CreateAsync();
        using var post = await PostAsync(invitation.Token, "juliet", "long enough");
        Assert.Equal(HttpStatusCode.TooManyRequests, post.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(invitation.Token)).Status);
        _server.Clock.Now = _server.Clock.Now.AddHours(1);
        using var later = await PostAsync(invitation.Token, "juliet", "long enough");
        Assert.Equal(HttpStatusCode.OK, later.StatusCode);
    }

    [Fact]
    public async Task A_page_speaks_the_language_of_the_browser()
    {
        var invitation = await _server.Invitations.CreateAsync();
        Assert.Contains("邀请您加入 localhost", (await GetAsync(invitation.Token, "de, zh-CN;q=0.8, en;q=0.5")).Html, StringComparison.Ordinal);
        Assert.Contains("You are invited", (await GetAsync(invitation.Token, "de, en;q=0.9, zh;q=0.5")).Html, StringComparison.Ordinal);
        Assert.Contains("You are invited", (await GetAsync(invitation.Token, "de")).Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Forms_of_another_kind_or_size_are_refused()
    {
        var invitation = await _server.Invitations.CreateAsync();
        using var json = new StringContent("{}", System.Text.Encoding.UTF8, "application/json");
        using var other = await _server.Http.PostAsync(new Uri($"invite/{invitation.Token}", UriKind.Relative), json);
        Assert.Equal(HttpStatusCode.BadRequest, other.StatusCode);
        using var large = await PostAsync(invitation.Token, "juliet", new string('x', 20_000));
        Assert.Equal(HttpStatusCode.BadRequest, large.StatusCode);
        Assert.Equal(0, await _server.Rows.CountAsync());
    }

    [Fact]
    public async Task Closed_means_closed_but_for_the_first()
    {
        await using var closed = await SmallServer.StartAsync(o => o with { Registration = new() { Mode = RegistrationMode.Closed } });
        var first = (await closed.Invitations.FirstAdminAsync())!;
        Assert.Equal(AccountOutcome.Done, (await closed.Invitations.RegisterAsync(first.Token, "boss", "long enough")).Outcome);
        var other = await closed.Invitations.CreateAsync();
        Assert.Equal(AccountOutcome.InvitationInvalid, (await closed.Invitations.RegisterAsync(other.Token, "guest", "long enough")).Outcome);
        Assert.Equal(AccountOutcome.RegistrationClosed, (await closed.Accounts.RegisterAsync("guest", "long enough")).Outcome);
    }
}
