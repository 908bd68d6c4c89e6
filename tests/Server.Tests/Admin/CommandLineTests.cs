using Indaba.Server.Accounts;
using Indaba.Server.Admin;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Options;
using Xunit;

namespace Indaba.Server.Tests.Admin;

public sealed class CommandLineTests : IAsyncLifetime
{
    private SmallServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await SmallServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Users_are_made_listed_changed_and_deleted()
    {
        Assert.Equal((0, "alice@localhost is made\n", ""), await _server.Indaba("user", "add", "Alice", "--password", "secret", "--admin"));
        Assert.Equal((1, "", "indaba: 'alice' is taken\n"), await _server.Indaba("user", "add", "alice", "--password", "secret"));
        var (code, _, error) = await _server.Indaba("user", "add", "a b", "--password", "secret");
        Assert.Equal(1, code);
        Assert.StartsWith("indaba: 'a b' cannot be a name on localhost", error, StringComparison.Ordinal);

        Assert.Equal((0, "bob@localhost is made\n", ""), await _server.Indaba("user", "add", "bob", "--password", "secret"));
        Assert.Equal((0, "bob@localhost is disabled\n", ""), await _server.Indaba("user", "disable", "bob@localhost"));
        var list = (await _server.Indaba("user", "list")).Out.Split('\n');
        Assert.Equal(["ADDRESS", "ROLE", "STATE", "SESSIONS", "SINCE"], Words(list[0]));
        Assert.Equal(["alice@localhost", "admin", "0"], Words(list[1])[..3]);
        Assert.Equal(["bob@localhost", "user", "disabled", "0"], Words(list[2])[..4]);
        Assert.Equal((0, "bob@localhost is enabled\n", ""), await _server.Indaba("user", "enable", "bob"));
        Assert.Equal((0, "bob@localhost is now admin\n", ""), await _server.Indaba("user", "role", "bob", "admin"));
        Assert.Equal(Role.Admin, (await _server.Rows.FindAsync("bob", "localhost"))!.Role);

        Assert.Equal((0, "bob@localhost has a new password\n", ""), await _server.Indaba("user", "passwd", "bob", "--password", "other"));
        Assert.Equal((1, "", "indaba: --yes is wanted where nobody can be asked\n"), await _server.Indaba("user", "delete", "bob"));
        Assert.Equal((0, "bob@localhost is deleted\n", ""), await _server.Indaba("user", "delete", "bob", "--yes"));
        Assert.Equal((1, "", "indaba: there is no account 'bob'\n"), await _server.Indaba("user", "passwd", "bob", "--password", "other"));
        Assert.Equal([("bob", SessionsEnd.Disabled), ("bob", SessionsEnd.PasswordChanged), ("bob", SessionsEnd.Deleted)], _server.Ended);
    }

    [Fact]
    public async Task Many_users_come_by_standard_input()
    {
        var input = string.Concat(Enumerable.Range(0, 300).Select(i => $"user{i} secret word {i}\n")) + "\nonly-a-name\nuser7 again\n";
        var (code, output, error) = await _server.Indaba(input, ["user", "add", "--stdin"]);
        Assert.Equal((1, "300 made, 2 failed\n"), (code, output));
        Assert.Contains("indaba: line 302: \"NAME PASSWORD\" is wanted\n", error, StringComparison.Ordinal);
        Assert.Contains("indaba: 'user7' is taken\n", error, StringComparison.Ordinal);
        Assert.Equal(300, await _server.Rows.CountAsync());
        var listed = (await _server.Indaba("user", "list", "--json")).Out;
        Assert.Equal(300, System.Text.Json.JsonSerializer.Deserialize(listed, AdminJson.Default.UserPage)!.Users.Count);
    }

    [Fact]
    public async Task Invitations_are_made_listed_and_revoked()
    {
        var (code, output, _) = await _server.Indaba("invite", "--uses", "3", "--expires", "2d", "--admin");
        Assert.Equal(0, code);
        var lines = output.Split('\n');
        var token = lines[0].Split('/')[^1];
        Assert.Equal($"http://localhost:{_server.Http.BaseAddress!.Port}/invite/{token}", lines[0]);
        Assert.Equal($"xmpp:localhost?register;preauth={token}", lines[1]);
        Assert.Equal($"3 uses, until {Terminal.Time(_server.Clock.Now.AddDays(2))}", lines[2]);
        Assert.Equal([token, "account", "admin", "0/3", "open"], Words((await _server.Indaba("invite", "list")).Out.Split('\n')[1])[..5]);
        Assert.Equal((0, "the invitation is void\n", ""), await _server.Indaba("invite", "revoke", lines[0]));
        Assert.Equal((1, "", $"indaba: there is no invitation '{token}'\n"), await _server.Indaba("invite", "revoke", token));
        Assert.Single((await _server.Indaba("invite", "list")).Out.Trim().Split('\n'));
    }

    [Fact]
    public async Task Status_sessions_pending_and_metrics_answer_on_an_empty_server()
    {
        var status = await _server.Indaba("status");
        Assert.Contains("0 accounts, 0 sessions", status.Out, StringComparison.Ordinal);
        Assert.StartsWith("SESSION", (await _server.Indaba("sessions")).Out, StringComparison.Ordinal);
        Assert.Equal((0, "nothing waits\n", ""), await _server.Indaba("pending"));
        Assert.Equal((1, "", "indaba: there is no account 'nobody'\n"), await _server.Indaba("pending", "nobody"));
        Assert.Equal((1, "", "indaba: there is no message 'abcdefgh12' in the logs\n"), await _server.Indaba("message", "abcdefgh12"));
        await _server.Indaba("user", "add", "alice", "--password", "secret"); // something to count
        Assert.Contains("# TYPE indaba_storage_commits_total counter", (await _server.Indaba("metrics")).Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("frobnicate", "frobnicate")]
    [InlineData("user", "Required command")]
    [InlineData("user add", "either NAME or --stdin is wanted")]
    [InlineData("user add bob --stdin", "either NAME or --stdin is wanted")]
    [InlineData("user role bob king", "king")]
    [InlineData("invite --expires soon", "--expires wants a time such as 12h, 7d or 4w, not 'soon'")]
    [InlineData("invite --uses many", "many")]
    [InlineData("--set nonsense", "--set wants KEY=VALUE, not 'nonsense'")]
    [InlineData("run extra", "extra")]
    public async Task A_wrong_command_is_exit_code_2(string command, string part)
    {
        var (code, output, error) = await _server.Indaba(command.Split(' '));
        Assert.Equal((2, ""), (code, output));
        Assert.Contains(part, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_no_server_runs_that_is_said()
    {
        using var empty = new Folder();
        var sentence = $"indaba: no server is running with the data folder {empty.Path}: start it with 'indaba run', or name the folder with --data\n";
        Assert.Equal((1, "", sentence), await Cli.RunAsync("", ["user", "list", "--data", empty.Path]));
        Assert.Equal((1, "", sentence), await Cli.RunAsync("", ["sessions"], environment: new() { ["INDABA_DATADIRECTORY"] = empty.Path }));
    }

    [Fact]
    public async Task Help_is_not_a_mistake()
    {
        var (code, output, error) = await Cli.RunAsync("", ["user", "add", "--help"]);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("--stdin", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_command_the_server_runs_with_the_settings_given()
    {
        using var folder = new Folder();
        ServerOptions? seen = null;
        Task<int> Run(Settings settings, CancellationToken stop)
        {
            seen = settings.Current;
            return Task.FromResult(7);
        }
        string[] ports = ["--c2s", "0", "--tls", "0", "--http", "0", "--https", "off"];
        var result = await Cli.RunAsync("", ["--data", folder.Path, "--domain", "chat.example.org", "--set", "limits.maxDepth=9", "--bind", "127.0.0.1", .. ports], Run);
        Assert.Equal((7, "", ""), result);
        Assert.Equal(("chat.example.org", 9, 0, false), (seen!.Domain, seen.Limits.MaxDepth, seen.C2s.Port.Number, seen.Https.Port.IsOn));
        seen = null;
        Assert.Equal(7, (await Cli.RunAsync("", ["run", "--data", folder.Path, .. ports], Run)).Code);
        Assert.NotNull(seen);
    }

    [Fact]
    public async Task A_mistake_in_the_settings_starts_nothing()
    {
        using var folder = new Folder();
        var result = await Cli.RunAsync("", ["run", "--data", folder.Path, "--set", "limts.maxDepth=9", "--c2s", "x"]);
        Assert.Equal((2, ""), (result.Code, result.Out));
        Assert.Equal(
            [
                "indaba: unknown setting 'limts.maxDepth': did you mean 'limits.maxDepth'? (--set limts.maxDepth)",
                "indaba: 'c2s.port' is a port: a number from 0 (any free one) to 65535, or \"off\", not 'x' (--c2s)", "",
            ], result.Error.Split('\n'));
    }

    [Fact]
    public async Task A_second_server_on_the_same_folder_is_refused()
    {
        Assert.Equal((1, "", $"indaba: a server is already running with the data folder {_server.Data}: stop it, or give this one another folder with --data\n"), await _server.Indaba("run", "--c2s", "0"));
        Assert.Equal((0, $"The settings are right. A server is running with the data folder {_server.Data}.\n", ""), await _server.Indaba("check"));
    }

    [Fact]
    public async Task Settings_are_shown_with_their_origin()
    {
        using var folder = new Folder();
        folder.Write("indaba.json", """{ "limits": { "maxDepth": 12 } }""");
        var (code, output, _) = await Cli.RunAsync("", ["settings", "--data", folder.Path]);
        Assert.Equal(0, code);
        Assert.Contains(output.Split('\n'), l => Words(l) is ["limits.maxDepth", "12", var file] && file == folder.File("indaba.json"));
        Assert.Contains(output.Split('\n'), l => Words(l) is ["c2s.port", "5222", "default"]);
    }

    private static string[] Words(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
