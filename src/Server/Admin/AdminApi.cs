using System.Text.Json.Serialization.Metadata;
using Indaba.Server.Accounts;
using Indaba.Server.Storage;
using Indaba.Server.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Indaba.Server.Admin;

/// <summary>The HTTP interface of the control socket, which the command line speaks.</summary>
internal static class AdminApi
{
    private const int MaxUsersAtOnce = 1_000;
    private const int UserPageSize = 500;
    private const int MaxInvitations = 1_000;

    /// <summary>Maps all of it, for the control socket only.</summary>
    public static void MapAdmin(this WebApplication app, AdminServices services)
    {
        var started = services.Time.GetUtcNow();
        var admin = app.MapGroup("/admin").OnAdminSocketOnly();
        admin.MapGet("/status", async (CancellationToken cancel) => Json(await StatusAsync(services, started, cancel), AdminJson.Default.StatusReply));
        admin.MapGet("/metrics", () => Results.Text(services.Metrics.Scrape(), PrometheusExporter.ContentType));
        admin.MapPost("/reload", (ILoggerFactory logs) =>
        {
            var done = services.Settings.Reload(logs.CreateLogger("Indaba.Server.Options.Settings"));
            return Json(new ReloadReply(done.Mistakes, done.Changed, done.Waiting), AdminJson.Default.ReloadReply);
        });
        MapUsers(admin, services);
        MapInvitations(admin, services);
        admin.MapGet("/sessions", async (CancellationToken cancel) => Json(new SessionList(await services.Processes.SessionsAsync(cancel)), AdminJson.Default.SessionList));
        admin.MapGet("/pending", async (string? account, CancellationToken cancel) => await PendingReport.RunAsync(services, account, cancel) is { } rows
            ? Json(new PendingList(rows), AdminJson.Default.PendingList)
            : Error(StatusCodes.Status404NotFound, $"there is no account '{account}'"));
        admin.MapGet("/messages/{id}", async (string id, string? account, CancellationToken cancel) => await MessageLife.FindAsync(services, id, account, cancel) is { } life
            ? Json(life, AdminJson.Default.MessageInfo)
            : Error(StatusCodes.Status404NotFound, $"there is no message '{id}' in the logs"));
    }

    private static void MapUsers(RouteGroupBuilder admin, AdminServices services)
    {
        admin.MapGet("/users", async (long? after, CancellationToken cancel) => Json(await UsersAsync(services, after ?? 0, cancel), AdminJson.Default.UserPage));
        admin.MapPost("/users", async (HttpContext http) =>
        {
            var request = await ReadAsync(http, AdminJson.Default.NewUsers);
            if (request?.Users is not { Count: > 0 and <= MaxUsersAtOnce } users || users.Any(u => u?.Name is null || u.Password is null))
                return Error(StatusCodes.Status400BadRequest, $"1 to {MaxUsersAtOnce} users with a name and a password are wanted");
            // All at once: the keys are derived on all processors, and the rows share commits.
            var replies = await Task.WhenAll(users.Select(async u => Reply(u.Name, await services.Accounts.CreateAsync(u.Name, u.Password, u.Admin ? Role.Admin : Role.User, http.RequestAborted), services)));
            return Json(new UserReplies(replies), AdminJson.Default.UserReplies);
        });
        admin.MapDelete("/users/{name}", async (string name, CancellationToken cancel) => One(name, await services.Accounts.DeleteAsync(name, cancel), services));
        admin.MapPut("/users/{name}/password", async (string name, HttpContext http) => await ReadAsync(http, AdminJson.Default.PasswordRequest) is { Password: { } password }
            ? One(name, await services.Accounts.SetPasswordAsync(name, password, byOperator: true, http.RequestAborted), services)
            : Error(StatusCodes.Status400BadRequest, "a password is wanted"));
        admin.MapPut("/users/{name}/role", async (string name, HttpContext http) => await ReadAsync(http, AdminJson.Default.RoleRequest) is { } request
            ? One(name, await services.Accounts.SetRoleAsync(name, request.Admin ? Role.Admin : Role.User, http.RequestAborted), services)
            : Error(StatusCodes.Status400BadRequest, "a role is wanted"));
        admin.MapPost("/users/{name}/disable", async (string name, CancellationToken cancel) => One(name, await services.Accounts.SetDisabledAsync(name, true, cancel), services));
        admin.MapPost("/users/{name}/enable", async (string name, CancellationToken cancel) => One(name, await services.Accounts.SetDisabledAsync(name, false, cancel), services));
    }

    private static void MapInvitations(RouteGroupBuilder admin, AdminServices services)
    {
        admin.MapGet("/invitations", async (CancellationToken cancel) =>
        {
            var rows = await services.Invitations.ListAsync(MaxInvitations, cancel);
            var shown = new List<InviteInfo>(rows.Count);
            foreach (var row in rows) shown.Add(await ShowAsync(row, services, cancel));
            return Json(new Invites(shown), AdminJson.Default.Invites);
        });
        admin.MapPost("/invitations", async (HttpContext http) =>
        {
            var request = await ReadAsync(http, AdminJson.Default.InviteRequest);
            var time = request?.Hours is { } hours ? TimeSpan.FromHours(Math.Clamp(hours, -1, 1e6)) : (TimeSpan?)null;
            if (request is null || request.Uses is < 1 or > Invitations.MaxUses || time <= TimeSpan.Zero || time > Invitations.MaxTime)
                return Error(StatusCodes.Status400BadRequest, $"an invitation has 1 to {Invitations.MaxUses} uses and ends within {Invitations.MaxTime.Days} days");
            var made = await services.Invitations.CreateAsync(request.Admin ? Role.Admin : Role.User, request.Uses, time, http.RequestAborted);
            return Json(await ShowAsync(made, services, http.RequestAborted), AdminJson.Default.InviteInfo);
        });
        admin.MapDelete("/invitations/{token}", async (string token, CancellationToken cancel) => await services.Invitations.RevokeAsync(token, cancel)
            ? Results.NoContent()
            : Error(StatusCodes.Status404NotFound, $"there is no invitation '{token}'"));
    }

    private static async Task<StatusReply> StatusAsync(AdminServices services, DateTimeOffset started, CancellationToken cancel)
    {
        var version = typeof(AdminApi).Assembly.GetName().Version!.ToString(3);
        var options = services.Settings.Current;
        return new StatusReply(version, Environment.ProcessId, options.Domain, options.DataDirectory, started, await services.AccountRows.CountAsync(cancel),
            (await services.Processes.SessionsAsync(cancel)).Count, services.Address.Base?.AbsoluteUri, services.Settings.File);
    }

    private static async Task<UserPage> UsersAsync(AdminServices services, long after, CancellationToken cancel)
    {
        var sessions = (await services.Processes.SessionsAsync(cancel)).CountBy(s => Bare(s.Jid)).ToDictionary();
        var rows = await services.AccountRows.ListAsync(after, UserPageSize, cancel);
        UserInfo Show(AccountRow row)
        {
            var jid = Address(row);
            return new UserInfo(jid, Word(row.Role), row.Disabled, row.CreatedAt, sessions.GetValueOrDefault(jid));
        }
        return new UserPage([.. rows.Select(Show)], rows.Count == UserPageSize ? rows[^1].Id : null);
    }

    private static async Task<InviteInfo> ShowAsync(Invitation row, AdminServices services, CancellationToken cancel)
    {
        var by = row.CreatedBy is { } id && await services.AccountRows.FindByIdAsync(id, cancel) is { } inviter ? Address(inviter) : null;
        var state = row.Uses >= row.MaxUses ? "used" : row.ExpiresAt <= services.Time.GetUtcNow() ? "expired" : "open";
        return new InviteInfo(row.Token, row.Kind, Word(row.Role), by, row.CreatedAt, row.ExpiresAt, row.Uses, row.MaxUses, state,
            services.Invitations.Link(row)?.AbsoluteUri, services.Invitations.XmppUri(row));
    }

    private static IResult One(string name, AccountResult result, AdminServices services)
    {
        var reply = Reply(name, result, services);
        if (reply.Error is null) return Json(reply, AdminJson.Default.UserReply);
        return Error(result.Outcome == AccountOutcome.NotFound ? StatusCodes.Status404NotFound : StatusCodes.Status400BadRequest, reply.Error);
    }

    private static UserReply Reply(string name, AccountResult result, AdminServices services) =>
        new(name, result.Account is { } row ? Address(row) : null, result.IsDone ? null : Sentence(name, result.Outcome, services));

    private static string Sentence(string name, AccountOutcome outcome, AdminServices services) => outcome switch
    {
        AccountOutcome.NameInvalid => $"'{name}' cannot be a name on {services.Settings.Current.Domain}: a name has 1 to {AccountService.MaxNameBytes} letters, digits and marks such as . - _ and no spaces",
        AccountOutcome.NameTaken => $"'{name}' is taken",
        AccountOutcome.PasswordInvalid or AccountOutcome.PasswordTooShort => $"the password of '{name}' is empty, too long, or has a forbidden character",
        _ => $"there is no account '{name}'",
    };

    internal static string Address(AccountRow row) => $"{row.Local}@{row.Domain}";

    private static string Bare(string jid) => jid.IndexOf('/', StringComparison.Ordinal) is >= 0 and var slash ? jid[..slash] : jid;

    private static string Word(Role role) => role == Role.Admin ? "admin" : "user";

    internal static IResult Json<T>(T value, JsonTypeInfo<T> type) => Results.Json(value, type);

    internal static IResult Error(int status, string sentence) => Results.Json(new Fault(sentence), AdminJson.Default.Fault, statusCode: status);

    internal static async Task<T?> ReadAsync<T>(HttpContext http, JsonTypeInfo<T> type) where T : class
    {
        try
        {
            return await http.Request.ReadFromJsonAsync(type, http.RequestAborted);
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
