using System.Globalization;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Indaba.Server;

/// <summary>Runs the server in the foreground and says what a person needs to know.</summary>
internal static class ServerRun
{
    /// <summary>The exit code after <c>indaba drain --stop</c>: the operator wants this node to stay away, so a supervisor must not start it again.</summary>
    public const int DrainedAndStopped = 3;

    /// <summary>Runs until the token is cancelled (SIGTERM, Ctrl+C). Returns the exit code.</summary>
    public static async Task<int> RunAsync(Settings settings, CancellationToken stop)
    {
        var drained = false;
        try
        {
            await using var host = await ServerHost.StartAsync(settings, TimeProvider.System, stop).ConfigureAwait(false);
            await SayAsync(settings.Current, host).ConfigureAwait(false);
            await host.Drain.StopAsked.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            drained = !stop.IsCancellationRequested;
            Console.WriteLine("stopping");
        }
        catch (OperationCanceledException)
        {
            return 0;
        }
        catch (Exception e) when (e is StorageException or Gateway.CertificateException or IOException)
        {
            Console.Error.WriteLine($"indaba: {e.Message}");
            return 1;
        }
        Console.WriteLine("stopped");
        return drained ? DrainedAndStopped : 0;
    }

    private static string Show(ListenOptions? listener) => Ports.Of(listener)?.ToString(CultureInfo.InvariantCulture) ?? "off";

    private static async Task SayAsync(ServerOptions options, ServerHost host)
    {
        Console.WriteLine($"Indaba serves {options.Domain}");
        Console.WriteLine($"  apps connect to   port {Show(host.Ports.C2s)} (STARTTLS) or {Show(host.Ports.Tls)} (TLS)");
        Console.WriteLine($"  browsers to       {host.Node.Address.Base?.ToString() ?? "nothing: HTTP is off"}");
        Console.WriteLine($"  data              {Path.GetFullPath(options.DataDirectory)}");
        if (await host.Node.AccountRows.ListAsync(0, 1).ConfigureAwait(false) is [var first, ..] && first.Domain != options.Domain)
            Console.WriteLine($"  WARNING           the accounts in this data folder are of {first.Domain}: nobody can log in to them while the domain is {options.Domain}");
        if (await host.Node.Invitations.FirstAdminAsync().ConfigureAwait(false) is { } invitation)
        {
            Console.WriteLine("  nobody has an account yet; open this link to make the first, the administrator's:");
            Console.WriteLine($"  {host.Node.Invitations.Link(invitation)?.ToString() ?? host.Node.Invitations.XmppUri(invitation)}");
        }
        Console.WriteLine("ready");
    }
}
