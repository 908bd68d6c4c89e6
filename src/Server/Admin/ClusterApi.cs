using Indaba.Server.Cluster;
using Indaba.Server.Telemetry;
using static Indaba.Server.Admin.AdminApi;

namespace Indaba.Server.Admin;

/// <summary>What the commands on nodes and shared settings work with.</summary>
/// <param name="Registry">Null until the listeners are up.</param>
internal sealed record ClusterServices(Drain Drain, SharedSettings Shared, Health Health, Func<NodeRegistry?> Registry);

/// <summary>The part of the control socket that is about this node among others.</summary>
internal static class ClusterApi
{
    private const int MaxBy = 64;

    /// <summary>Maps it, for the control socket only.</summary>
    public static void MapClusterAdmin(this WebApplication app, ClusterServices services)
    {
        var admin = app.MapGroup("/admin").OnAdminSocketOnly();
        admin.MapGet("/health", () => Json(services.Health.Report(), AdminJson.Default.HealthReport));
        admin.MapGet("/nodes", async (CancellationToken cancel) => services.Registry() is { } registry
            ? Json(new NodeList([.. (await registry.ListAsync(cancel)).Select(Show)]), AdminJson.Default.NodeList)
            : Error(StatusCodes.Status503ServiceUnavailable, "this node is still starting"));
        admin.MapGet("/drain", () => Json(Show(services.Drain.Status), AdminJson.Default.DrainReply));
        admin.MapPost("/drain", async (HttpContext http) =>
        {
            services.Drain.Begin((await ReadAsync(http, AdminJson.Default.DrainRequest))?.Stop ?? false);
            return Json(Show(services.Drain.Status), AdminJson.Default.DrainReply);
        });
        MapSettings(admin, services.Shared);
    }

    private static void MapSettings(RouteGroupBuilder admin, SharedSettings shared)
    {
        admin.MapGet("/settings", async (CancellationToken cancel) =>
            Json(new SharedSettingList([.. (await shared.ListAsync(cancel)).Select(s => new SharedSetting(s.Name, s.Value, s.SetAt, s.SetBy))]), AdminJson.Default.SharedSettingList));
        admin.MapPut("/settings/{name}", async (string name, HttpContext http) =>
        {
            if (await ReadAsync(http, AdminJson.Default.SetRequest) is not { Value: { } value } request) return Error(StatusCodes.Status400BadRequest, "a value is wanted");
            return Json(Show(await shared.SetAsync(name, value, By(request.By), http.RequestAborted)), AdminJson.Default.SetReply);
        });
        admin.MapDelete("/settings/{name}", async (string name, string? by, CancellationToken cancel) => await shared.UnsetAsync(name, By(by), cancel) is { } change
            ? Json(Show(change), AdminJson.Default.SetReply)
            : Error(StatusCodes.Status404NotFound, $"'{name}' is not set in the database"));
    }

    // Who may write to the socket is the owner or root; the name is a reminder for people, not a proof.
    private static string By(string? by) => by is { Length: > 0 and <= MaxBy } ? by : "unknown";

    private static SetReply Show(SharedChange change) => new(change.Mistakes, change.Value, change.Waits, change.Origin);

    private static DrainReply Show(DrainStatus status) => new(status.Phase, status.Sessions);

    private static NodeInfo Show(NodeView view)
    {
        var row = view.Row;
        return new NodeInfo(row.Name, view.IsThis, row.State, view.Silent is { } silent ? Math.Round(silent.TotalSeconds) : null, row.Address, row.Ports, row.Version, row.Roles,
            row.StartedAt, row.Sessions, row.Accounts, Math.Round(row.Cpu, 1), row.Memory, Math.Round(row.CommitP50, 2), Math.Round(row.CommitP99, 2), row.Queue);
    }
}
