using Indaba.Server.Options;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Indaba.Server.Tests.Options;

public sealed class SettingsSourceTests : IDisposable
{
    private readonly Folder _folder = new();

    public void Dispose() => _folder.Dispose();

    private LoadedSettings Load(string? json = null, Dictionary<string, string>? environment = null, params string[] commandLine)
    {
        if (json is not null) _folder.Write("indaba.json", json);
        environment ??= [];
        environment.TryAdd("INDABA_DATADIRECTORY", _folder.Path);
        return new SettingsSource([.. commandLine.Select(c => new CommandLineSetting(c[..c.IndexOf('=')], c[(c.IndexOf('=') + 1)..], "--set"))], null, environment).Load();
    }

    [Fact]
    public void Nothing_needs_to_be_set()
    {
        var loaded = Load();
        Assert.Empty(loaded.Mistakes);
        Assert.Equal("localhost", loaded.Options.Domain);
        Assert.Equal(5222, loaded.Options.C2s.Port.Number);
        Assert.Equal(_folder.Path, loaded.Options.DataDirectory);
    }

    [Fact]
    public void Command_line_goes_over_environment_over_file_over_default()
    {
        var file = """{ "limits": { "unauthenticatedSeconds": 11, "rosterItems": 12, "archivePage": 13 } }""";
        var environment = new Dictionary<string, string> { ["INDABA_LIMITS__ROSTERITEMS"] = "22", ["INDABA_LIMITS__ARCHIVEPAGE"] = "23" };
        var loaded = Load(file, environment, "limits.archivePage=33");
        Assert.Empty(loaded.Mistakes);
        Assert.Equal((11, 22, 33), (loaded.Options.Limits.UnauthenticatedSeconds, loaded.Options.Limits.RosterItems, loaded.Options.Limits.ArchivePage));
        Assert.Equal(new LimitsOptions().MaxDepth, loaded.Options.Limits.MaxDepth);
        Assert.Equal("the environment variable INDABA_LIMITS__ROSTERITEMS", loaded.Origins["limits.rosterItems"]);
    }

    [Fact]
    public void The_file_may_have_comments_trailing_commas_dotted_names_and_lists()
    {
        var loaded = Load("""
            {
              // who we are
              "domain": "Chat.Example.ORG",
              "limits.maxDepth": 20,
              "bind": ["192.0.2.1", "::1"], /* two */
              "c2s": { "port": "off" }, "tls": { "port": 0 },
              "logging": { "level": "debug", "categories": { "Indaba.Server.Gateway": "trace" } },
              "publicUrl": "https://chat.example.org/",
            }
            """);
        Assert.Empty(loaded.Mistakes);
        var options = loaded.Options;
        Assert.Equal("chat.example.org", options.Domain);
        Assert.Equal(20, options.Limits.MaxDepth);
        Assert.Equal(["192.0.2.1", "::1"], options.Bind);
        Assert.False(options.C2s.Port.IsOn);
        Assert.Equal(0, options.Tls.Port.Number);
        Assert.Equal(LogLevel.Debug, options.Logging.Level);
        Assert.Equal(LogLevel.Trace, options.Logging.Categories["Indaba.Server.Gateway"]);
        Assert.Equal("chat.example.org", options.PublicUrl!.Host);
    }

    [Theory]
    [InlineData("limts.maxStanzaBytes=1", "unknown setting 'limts.maxStanzaBytes': did you mean 'limits.maxStanzaBytes'? (--set)")]
    [InlineData("maxStanzaBytes=1", "unknown setting 'maxStanzaBytes': did you mean 'limits.maxStanzaBytes'? (--set)")]
    [InlineData("domian=a.example", "unknown setting 'domian': did you mean 'domain'? (--set)")]
    [InlineData("banana.peel=1", "unknown setting 'banana.peel' (--set)")]
    [InlineData("limits=1", "'limits' is a group of settings, not one (--set)")]
    [InlineData("limits.maxStanzaBytes=much", "'limits.maxStanzaBytes' is a whole number, not 'much' (--set)")]
    [InlineData("LIMITS.maxstanzabytes=9999", "'limits.maxStanzaBytes' is a number from 10000 to 16777216, not 9999 (--set)")]
    [InlineData("c2s.port=70000", "'c2s.port' is a port: a number from 0 (any free one) to 65535, or \"off\", not '70000' (--set)")]
    [InlineData("c2s.port=-1", "'c2s.port' is a port: a number from 0 (any free one) to 65535, or \"off\", not '-1' (--set)")]
    [InlineData("http.metrics=yes", "'http.metrics' is true or false, not 'yes' (--set)")]
    [InlineData("registration.mode=free", "'registration.mode' is one of closed, invite, open, not 'free' (--set)")]
    [InlineData("registration.mode=1", "'registration.mode' is one of closed, invite, open, not '1' (--set)")]
    [InlineData("logging.level=loud", "'logging.level' is one of trace, debug, information, warning, error, critical, none, not 'loud' (--set)")]
    [InlineData("logging.categories.Orleans=loud", "'logging.categories.Orleans' is one of trace, debug, information, warning, error, critical, none, not 'loud' (--set)")]
    [InlineData("publicUrl=chat", "'publicUrl' is an address such as https://chat.example.org, not 'chat' (--set)")]
    [InlineData("publicUrl=ftp://chat.example/", "'publicUrl' must begin with https:// or http://, not 'ftp://chat.example/'")]
    [InlineData("publicUrl=https://chat.example/?a=b", "'publicUrl' must be plain scheme, host, port and path, not 'https://chat.example/?a=b'")]
    [InlineData("domain=user@example.org", "'domain' must be a domain name such as example.org, not 'user@example.org'")]
    [InlineData("domain=", "'domain' must be a domain name such as example.org, not ''")]
    [InlineData("bind=example.org", "'bind' takes addresses such as 192.0.2.1 or ::1, or * for all of them, not 'example.org'")]
    [InlineData("bind=", "'bind' is empty: nothing would listen (switch single ports off with \"off\")")]
    [InlineData("tls.port=5222", "'tls.port' and 'c2s.port' are both 5222")]
    [InlineData("certificate.keyPath=/a/key.pem", "'certificate.keyPath' is set but 'certificate.path' is not")]
    [InlineData("contacts.admin=me", "'contacts.admin' takes addresses with a scheme (XEP-0157), such as mailto:admin@example.org or xmpp:admin@example.org, not 'me'")]
    [InlineData("http.trustedProxies=10.0.0.0/33", "'http.trustedProxies' takes addresses or networks such as 10.0.0.0/8, not '10.0.0.0/33'")]
    [InlineData("cluster.address=here", "'cluster.address' is an address such as 10.0.0.5, not 'here'")]
    [InlineData("scram.iterations=1000", "'scram.iterations' is a number from 4096 to 10000000, not 1000 (--set)")]
    public void Each_mistake_is_one_plain_sentence(string setting, string sentence) => Assert.Equal([sentence], Load(null, null, setting).Mistakes);

    [Fact]
    public void All_mistakes_are_told_at_once()
    {
        var file = """{ "limts": { "maxDepth": 3 }, "scram": { "iterations": [1, 2] }, "domain": "a b" }""";
        var loaded = Load(file, new() { ["INDABA_HTTP_PORT"] = "1" });
        var name = _folder.File("indaba.json");
        Assert.Equal(
            [
                $"unknown setting 'limts.maxDepth': did you mean 'limits.maxDepth'? ({name})",
                $"'scram.iterations' takes one value, not a list ({name})",
                "unknown setting 'HTTP_PORT': did you mean 'http.port'? (the environment variable INDABA_HTTP_PORT)",
                "'domain' must be a domain name such as example.org, not 'a b'",
            ], loaded.Mistakes);
    }

    [Theory]
    [InlineData("{ \"domain\": }", "line 1: this is not valid JSON")]
    [InlineData("{\n \"domain\": \"a.example\"\n \"bind\": 1 }", "line 3: this is not valid JSON")]
    [InlineData("[]", "the settings must stand in braces")]
    [InlineData("{ \"domain\": \"a.example\", \"domain\": \"b.example\" }", "'domain' is set twice")]
    [InlineData("{ \"bind\": [[]] }", "'bind' may hold only plain values")]
    [InlineData("{ \"dataDirectory\": \"elsewhere\" }", "which is looked for in that very directory")]
    public void A_broken_file_is_named_with_its_place(string json, string part)
    {
        var mistake = Assert.Single(Load(json).Mistakes);
        Assert.Contains(_folder.File("indaba.json"), mistake, StringComparison.Ordinal);
        Assert.Contains(part, mistake, StringComparison.Ordinal);
    }

    [Fact]
    public void A_named_file_must_exist_and_places_in_it_are_meant_from_where_it_stands()
    {
        Assert.Equal([$"the settings file {_folder.File("no.json")} cannot be read: it does not exist"], new SettingsSource(null, _folder.File("no.json"), new Dictionary<string, string>()).Load().Mistakes);
        var file = _folder.Write("other.json", """{ "dataDirectory": "kept", "certificate": { "path": "c.pem", "keyPath": "/k.pem" } }""");
        var loaded = new SettingsSource(null, file, new Dictionary<string, string>()).Load();
        Assert.Empty(loaded.Mistakes);
        Assert.Equal(_folder.File("kept"), loaded.Options.DataDirectory);
        Assert.Equal(_folder.File("c.pem"), loaded.Options.Certificate.Path);
        Assert.Equal("/k.pem", loaded.Options.Certificate.KeyPath);
        Assert.Equal(file, loaded.File);
    }

    [Fact]
    public void The_file_can_be_named_in_the_environment_and_systemd_gives_the_data_folder()
    {
        var file = _folder.Write("other.json", """{ "domain": "a.example" }""");
        var loaded = new SettingsSource(null, null, new Dictionary<string, string> { ["INDABA_CONFIG"] = file, ["STATE_DIRECTORY"] = _folder.File("state") }).Load();
        Assert.Empty(loaded.Mistakes);
        Assert.Equal(("a.example", _folder.File("state")), (loaded.Options.Domain, loaded.Options.DataDirectory));
    }

    [Fact]
    public void Every_setting_can_be_read_from_what_is_shown_and_its_default_keeps_its_own_bounds()
    {
        Assert.True(Schema.Keys.Count > 40);
        var options = new ServerOptions();
        foreach (var key in Schema.Keys)
        {
            Assert.Same(key, Schema.Find(key.Path.ToUpperInvariant()));
            var shown = key.Show(options);
            if (shown.Length == 0 || key.IsMap) continue;
            Assert.True(key.TryRead([shown], out var value, out var fault), $"{key.Path} {fault}");
            Assert.True(Schema.Same(key, options, Schema.Build([KeyValuePair.Create(key, value)])), key.Path);
        }
        Assert.Empty(Validation.Check(options));
    }

    [Fact]
    public void Secrets_are_never_shown()
    {
        var key = Schema.Find("certificate.password")!;
        Assert.Equal("(secret)", key.Show(new ServerOptions { Certificate = new() { Password = "hunter2" } }));
    }
}
