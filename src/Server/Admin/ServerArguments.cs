using System.CommandLine;
using Indaba.Server.Options;

namespace Indaba.Server.Admin;

/// <summary>The options that set settings; they can stand before or after the command's name.</summary>
internal sealed class ServerArguments
{
    private readonly Option<string> _config = Text("--config", "FILE", $"Settings file instead of {SettingsSource.FileName} in the data folder.");
    private readonly Option<string[]> _set = new("--set") { Description = "Any setting, e.g. --set limits.maxStanzaBytes=100000. 'indaba settings' lists them.", HelpName = "KEY=VALUE", Recursive = true };

    private readonly (Option<string> Option, string Key)[] _named =
    [
        (Text("--data", "FOLDER", "Data folder: database, certificate, control socket."), "dataDirectory"),
        (Text("--domain", "DOMAIN", "The part of addresses behind the @."), "domain"),
        (Text("--bind", "ADDRESS", "Addresses to listen at, with commas between them; * for all."), "bind"),
        (Text("--c2s", "PORT", "Port for XMPP with STARTTLS; 0 for any free one, off for none."), "c2s.port"),
        (Text("--tls", "PORT", "Port for XMPP with direct TLS."), "tls.port"),
        (Text("--http", "PORT", "Port for HTTP."), "http.port"),
        (Text("--https", "PORT", "Port for HTTPS."), "https.port"),
    ];

    public void AddTo(RootCommand root)
    {
        root.Add(_config);
        foreach (var (option, _) in _named) root.Add(option);
        _set.Validators.Add(static result =>
        {
            foreach (var token in result.Tokens.Where(t => t.Value.IndexOf('=', StringComparison.Ordinal) <= 0)) result.AddError($"--set wants KEY=VALUE, not '{token.Value}'");
        });
        root.Add(_set);
    }

    /// <summary>Where the settings come from, given this command line.</summary>
    public SettingsSource Source(ParseResult parsed, Terminal terminal)
    {
        var given = new List<CommandLineSetting>();
        foreach (var text in parsed.GetValue(_set) ?? [])
        {
            var parts = text.Split('=', 2);
            given.Add(new CommandLineSetting(parts[0], parts[1], $"--set {parts[0]}"));
        }
        foreach (var (option, key) in _named)
        {
            if (parsed.GetValue(option) is { } value) given.Add(new CommandLineSetting(key, value, option.Name));
        }
        return new SettingsSource(given, parsed.GetValue(_config), terminal.Environment);
    }

    private static Option<string> Text(string name, string help, string description) => new(name) { Description = description, HelpName = help, Recursive = true };
}

/// <summary>What the commands that speak to a running server have in common.</summary>
internal sealed class RemoteCommand(ServerArguments shared, Terminal terminal, TimeProvider time)
{
    public Terminal Terminal => terminal;

    public TimeProvider Time => time;

    /// <summary><c>--json</c>: the answer as the server gave it, for programs.</summary>
    public static Option<bool> Json { get; } = new("--json") { Description = "Print JSON." };

    /// <summary>Gives a command its action; an <see cref="AdminException"/> becomes a sentence and exit code 1.</summary>
    public Command Of(Command command, Func<AdminClient, ParseResult, CancellationToken, Task<int>> action)
    {
        command.SetAction(async (parsed, cancel) =>
        {
            var loaded = shared.Source(parsed, terminal).Load(); // its mistakes are the server's affair, not this command's
            using var client = new AdminClient(AdminClient.Find(loaded));
            try
            {
                return await action(client, parsed, cancel).ConfigureAwait(false);
            }
            catch (AdminException e)
            {
                terminal.Error.WriteLine($"indaba: {Terminal.Clean(e.Message)}");
                return CommandLine.Failed;
            }
        });
        return command;
    }

    /// <summary>Prints JSON when that was asked for.</summary>
    public bool PrintJson<T>(ParseResult parsed, T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        if (!parsed.GetValue(Json)) return false;
        terminal.Out.WriteLine(System.Text.Json.JsonSerializer.Serialize(value, type));
        return true;
    }
}
