using System.CommandLine;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Indaba.Server.Options;

namespace Indaba.Server.Admin;

/// <summary>
/// The command line: starts the server (<c>indaba</c>, <c>indaba run</c>), or speaks to a running one. Exit codes: 0 done,
/// 1 it could not be done, 2 the command or the settings are wrong.
/// </summary>
internal static class CommandLine
{
    public const int Done = 0, Failed = 1, Wrong = 2;

    /// <summary>Parses and runs.</summary>
    /// <param name="runServer">Runs a server with settings that were checked, until the token (SIGTERM, SIGINT); returns the exit code.</param>
    public static Task<int> RunAsync(string[] args, Func<Settings, CancellationToken, Task<int>> runServer) => RunAsync(args, runServer, Terminal.Process, TimeProvider.System);

    internal static async Task<int> RunAsync(string[] args, Func<Settings, CancellationToken, Task<int>> runServer, Terminal terminal, TimeProvider time)
    {
        var shared = new ServerArguments();
        var root = new RootCommand("Indaba, a messenger server that speaks XMPP. Without a command it runs the server.");
        shared.AddTo(root);
        var run = new Command("run", "Run the server in the foreground until SIGTERM or Ctrl+C.");
        var check = new Command("check", "Say what is wrong with the settings, ports, certificate and data folder, and start nothing.");
        root.SetAction((parsed, cancel) => RunServerAsync(shared.Source(parsed, terminal), runServer, terminal, time));
        run.SetAction((parsed, cancel) => RunServerAsync(shared.Source(parsed, terminal), runServer, terminal, time));
        check.SetAction(parsed => Check(shared.Source(parsed, terminal), terminal, time));
        root.Add(run);
        root.Add(check);
        var remote = new RemoteCommand(shared, terminal, time);
        root.Add(SettingsCommands.Settings(shared, remote));
        foreach (var command in UserCommands.All(remote).Concat(InviteCommands.All(remote)).Concat(ReportCommands.All(remote)).Concat(ClusterCommands.All(remote))) root.Add(command);

        var result = root.Parse(args);
        if (result.Action is ParseErrorAction)
        {
            foreach (var error in result.Errors) terminal.Error.WriteLine($"indaba: {error.Message}");
            terminal.Error.WriteLine($"'indaba {string.Join(' ', CommandPath(result))}--help' says what can be given.");
            return Wrong;
        }
        // The server handles the signals itself; a command is simply ended by them.
        return await result.InvokeAsync(new InvocationConfiguration { Output = terminal.Out, Error = terminal.Error, ProcessTerminationTimeout = null }, CancellationToken.None).ConfigureAwait(false);
    }

    private static Stack<string> CommandPath(ParseResult result)
    {
        var names = new Stack<string>();
        for (var command = result.CommandResult; command.Parent is System.CommandLine.Parsing.CommandResult parent; command = parent) names.Push(command.Command.Name + " ");
        return names;
    }

    private static async Task<int> RunServerAsync(SettingsSource source, Func<Settings, CancellationToken, Task<int>> runServer, Terminal terminal, TimeProvider time)
    {
        var loaded = source.Load();
        if (Tell(loaded.Mistakes, terminal)) return Wrong;
        if (Tell(StartCheck.Check(loaded.Options, time), terminal)) return Failed;
        using var stop = new CancellationTokenSource();
        void Stop(PosixSignalContext context)
        {
            // A second Ctrl+C ends the process at once: nothing that was acked is lost by it.
            context.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        return await runServer(new Settings(source, loaded), stop.Token).ConfigureAwait(false);
    }

    private static int Check(SettingsSource source, Terminal terminal, TimeProvider time)
    {
        var loaded = source.Load();
        if (Tell(loaded.Mistakes, terminal)) return Wrong;
        if (StartCheck.IsRunning(loaded.Options.DataDirectory))
        {
            terminal.Out.WriteLine($"The settings are right. A server is running with the data folder {loaded.Options.DataDirectory}.");
            return Done;
        }
        if (Tell(StartCheck.Check(loaded.Options, time), terminal)) return Failed;
        terminal.Out.WriteLine("All is well: the server can start.");
        return Done;
    }

    /// <summary>Writes mistakes, and says whether there were any.</summary>
    internal static bool Tell(IReadOnlyList<string> mistakes, Terminal terminal)
    {
        foreach (var mistake in mistakes) terminal.Error.WriteLine($"indaba: {mistake}");
        return mistakes.Count > 0;
    }
}
