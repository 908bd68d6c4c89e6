using System.Net;
using System.Net.Http.Json;
using Indaba.Server.Options;
using Xunit;

namespace Indaba.Server.Tests.Admin;

public sealed class AdminSocketTests : IAsyncLifetime
{
    private SmallServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await SmallServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("GET", "/admin/status")]
    [InlineData("GET", "/ADMIN/status")]
    [InlineData("GET", "/admin/users")]
    [InlineData("GET", "//admin/users")]
    [InlineData("GET", "/invite/../admin/users")]
    [InlineData("GET", "/invite/%2e%2e/admin/users")]
    [InlineData("GET", "/admin%2fusers")]
    [InlineData("GET", "/%u002e%u002e/admin/users")]
    [InlineData("DELETE", "/admin/users/alice")]
    [InlineData("GET", "/metrics")]
    public async Task From_the_network_the_administration_does_not_exist(string method, string path)
    {
        var answer = await _server.RawAsync($"{method} {path} HTTP/1.1\r\nHost: admin.invalid\r\nX-Forwarded-For: 127.0.0.1\r\nConnection: close\r\n\r\n", admin: false);
        Assert.Matches("^HTTP/1.1 (404|400) ", answer);
    }

    [Fact]
    public async Task A_body_from_the_network_is_not_even_read()
    {
        // Were it bound before the gate, the answer would be 400 for broken JSON, or wait for the rest.
        var answer = await _server.RawAsync("POST /admin/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\nConnection: close\r\n\r\n{", admin: false, firstLine: true);
        Assert.StartsWith("HTTP/1.1 404 ", answer, StringComparison.Ordinal);
        using var post = await _server.Http.PostAsJsonAsync(new Uri("admin/users", UriKind.Relative), new { users = new[] { new { name = "eve", password = "secret" } } });
        Assert.Equal(HttpStatusCode.NotFound, post.StatusCode);
        Assert.Equal(0, await _server.Rows.CountAsync());
    }

    [Fact]
    public async Task The_same_request_by_the_control_socket_works()
    {
        var answer = await _server.RawAsync("GET /admin/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", admin: true);
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"users\":[]}")]
    [InlineData("{\"users\":null}")]
    [InlineData("{\"users\":[null]}")]
    [InlineData("{\"users\":[{\"name\":\"a\"}]}")]
    [InlineData("[")]
    [InlineData("")]
    public async Task Nonsense_is_answered_with_a_sentence(string body)
    {
        var answer = await _server.RawAsync($"POST /admin/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}", admin: true);
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains("\"error\"", answer, StringComparison.Ordinal);
    }

    [Fact]
    public void The_socket_is_the_owner_s_and_one_left_by_a_crash_is_no_server()
    {
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(StartCheck.AdminSocket(_server.Data)));
        Assert.True(StartCheck.IsRunning(_server.Data));
        using var other = new Options.Folder();
        File.WriteAllText(StartCheck.AdminSocket(other.Path), "");
        Assert.False(StartCheck.IsRunning(other.Path));
    }
}
