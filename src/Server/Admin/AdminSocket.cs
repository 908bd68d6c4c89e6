using Indaba.Server.Options;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Hosting;

namespace Indaba.Server.Admin;

/// <summary>
/// The control socket: HTTP over <c>admin.sock</c> in the data folder. Who may write to the socket is the administrator:
/// mode 0600, in a folder that is the owner's. There is no password and no port.
/// </summary>
internal static class AdminSocket
{
    /// <summary>Marks connections that came in by the control socket.</summary>
    private sealed class Mark;

    /// <summary>Listens at the control socket; one that a crash left is replaced.</summary>
    public static void AddAdminSocket(this KestrelServerOptions kestrel, ServerOptions options)
    {
        var path = StartCheck.AdminSocket(options.DataDirectory);
        File.Delete(path); // StartCheck has seen that nobody answers there
        kestrel.ListenUnixSocket(path, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            listen.Use(next => connection =>
            {
                connection.Features.Set(new Mark());
                return next(connection);
            });
        });
    }

    /// <summary>Closes the socket to all but the owner as soon as it is there, and removes it at the end.</summary>
    public static void GuardAdminSocket(this IHost app, ServerOptions options)
    {
        var lifetime = app.Services.GetRequiredService<IHostApplicationLifetime>();
        var path = StartCheck.AdminSocket(options.DataDirectory);
        // Kestrel binds with the process's umask; until then nobody but owner and, at worst, group could write.
        lifetime.ApplicationStarted.Register(() =>
        {
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        });
        lifetime.ApplicationStopped.Register(() => File.Delete(path));
    }

    /// <summary>
    /// Makes endpoints answer on the control socket only; elsewhere they do not exist. Wraps the endpoint itself, so no
    /// order of middleware and no spelling of a path gets around it, and no body is read before.
    /// </summary>
    public static TBuilder OnAdminSocketOnly<TBuilder>(this TBuilder endpoints) where TBuilder : IEndpointConventionBuilder
    {
        endpoints.Finally(static endpoint =>
        {
            var inner = endpoint.RequestDelegate;
            endpoint.RequestDelegate = http =>
            {
                if (IsAdmin(http)) return inner!(http);
                http.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            };
        });
        return endpoints;
    }

    /// <summary>True for a request that came in by the control socket.</summary>
    public static bool IsAdmin(HttpContext http) => http.Features.Get<Mark>() is not null;
}
