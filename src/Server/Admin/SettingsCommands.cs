using System.CommandLine;
using Indaba.Server.Options;

namespace Indaba.Server.Admin;

/// <summary><c>indaba settings</c>: what is set and where, and what all nodes share.</summary>
internal static class SettingsCommands
{
    public static Command Settings(ServerArguments shared, RemoteCommand remote)
    {
        var settings = new Command("settings", "Show every setting, its value, and where that comes from.") { Set(remote), Unset(remote) };
        settings.SetAction(async (parsed, cancel) => await ShowAsync(shared.Source(parsed, remote.Terminal), remote.Terminal, cancel).ConfigureAwait(false));
        return settings;
    }

    private static async Task<int> ShowAsync(SettingsSource source, Terminal terminal, CancellationToken cancel)
    {
        var loaded = source.Load(await SharedAsync(source.Load(), cancel).ConfigureAwait(false));
        terminal.Table(["setting", "value", "from"], Schema.Keys.Select(k => new[] { k.Path, k.Show(loaded.Options), loaded.Origins.GetValueOrDefault(k.Path, "default") }));
        foreach (var mistake in loaded.SharedMistakes) terminal.Error.WriteLine($"indaba: left out: {mistake}");
        return CommandLine.Tell(loaded.Mistakes, terminal) ? CommandLine.Wrong : CommandLine.Done;
    }

    /// <summary>What the database says, if a server runs on the folder that can be asked.</summary>
    private static async Task<Dictionary<string, string>> SharedAsync(LoadedSettings loaded, CancellationToken cancel)
    {
        var folder = AdminClient.Find(loaded);
        if (!StartCheck.IsRunning(folder)) return [];
        using var client = new AdminClient(folder);
        try
        {
            var found = await client.GetAsync("settings", AdminJson.Default.SharedSettingList, cancel).ConfigureAwait(false);
            return found.Settings.ToDictionary(s => s.Name, s => s.Value);
        }
        catch (AdminException)
        {
            return [];
        }
    }

    private static Command Set(RemoteCommand remote)
    {
        var (key, value) = (Key(), new Argument<string>("VALUE") { Description = "As it would stand after --set." });
        return remote.Of(new Command("set", "Set a setting for all nodes, in the database; a node's own file, environment and command line go over it.") { key, value }, async (client, parsed, cancel) =>
        {
            var name = parsed.GetValue(key)!;
            var reply = await client.SendAsync(HttpMethod.Put, Path(name), new SetRequest(parsed.GetValue(value)!, Environment.UserName), AdminJson.Default.SetRequest, AdminJson.Default.SetReply, cancel).ConfigureAwait(false);
            if (CommandLine.Tell(reply.Mistakes, remote.Terminal)) return CommandLine.Wrong;
            Say(remote, name, reply);
            if (reply.Origin != SettingsSource.Database) remote.Terminal.Out.WriteLine($"this node keeps its own value {reply.Value}, from {reply.Origin}");
            return CommandLine.Done;
        });
    }

    private static Command Unset(RemoteCommand remote)
    {
        var key = Key();
        return remote.Of(new Command("unset", "Take a setting out of the database.") { key }, async (client, parsed, cancel) =>
        {
            var name = parsed.GetValue(key)!;
            var reply = await client.SendAsync(HttpMethod.Delete, $"{Path(name)}?by={Uri.EscapeDataString(Environment.UserName)}", AdminJson.Default.SetReply, cancel).ConfigureAwait(false);
            Say(remote, name, reply);
            remote.Terminal.Out.WriteLine($"this node's value is now {(reply.Value.Length > 0 ? reply.Value : "none")}, from {reply.Origin}");
            return CommandLine.Done;
        });
    }

    private static void Say(RemoteCommand remote, string name, SetReply reply) => remote.Terminal.Out.WriteLine(
        reply.Waits ? $"{name}: at the next start of each node" : $"{name}: in force here, and on the other nodes within 2 seconds");

    private static Argument<string> Key() => new("KEY") { Description = "The setting's name, e.g. limits.archivePage." };

    private static string Path(string name) => $"settings/{Uri.EscapeDataString(name)}";
}
