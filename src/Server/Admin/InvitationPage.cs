using System.Globalization;
using System.Net;
using Indaba.Server.Accounts;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Indaba.Server.Admin;

/// <summary>
/// The page behind an invitation link (XEP-0401 section 3.2, XEP-0379 section 3.3): says what it is, opens an app, and
/// makes an account. It works without script. The token in the path is what authorises, and nobody else's browser knows
/// it, so a form from another site can do nothing that its maker could not do himself.
/// </summary>
internal sealed class InvitationPage(Invitations invitations, Settings settings, Connecting connecting, AttemptLimit limit)
{
    private const int MaxFormBytes = 8 * 1024;
    private const string Route = "/invite/{token}";

    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet(Route, ShowAsync);
        app.MapPost(Route, RegisterAsync);
    }

    private async Task<IResult> ShowAsync(HttpContext http, string token)
    {
        var texts = Page.Language(http.Request.Headers.AcceptLanguage);
        if (await invitations.FindAsync(token, http.RequestAborted).ConfigureAwait(false) is { } invitation) return Form(http, texts, invitation, invitation.Local ?? "", null);
        return limit.TryTake(http.Connection.RemoteIpAddress) ? Void(http, texts) : TooMany(http, texts);
    }

    private async Task<IResult> RegisterAsync(HttpContext http, string token)
    {
        var texts = Page.Language(http.Request.Headers.AcceptLanguage);
        if (!limit.TryTake(http.Connection.RemoteIpAddress)) return TooMany(http, texts);
        if (await ReadFormAsync(http).ConfigureAwait(false) is not { } form) return Results.StatusCode(StatusCodes.Status400BadRequest);
        if (await invitations.FindAsync(token, http.RequestAborted).ConfigureAwait(false) is not { } invitation) return Void(http, texts);

        var name = form["name"].ToString().Trim();
        // Not cancelled with the request: whoever closes the page too early still has the account he asked for.
        var result = await invitations.RegisterAsync(token, name, form["password"].ToString(), CancellationToken.None).ConfigureAwait(false);
        switch (result.Outcome)
        {
            case AccountOutcome.Done:
                limit.Return(http.Connection.RemoteIpAddress);
                return Welcome(http, texts, result.Account!);
            case AccountOutcome.InvitationInvalid:
                return Void(http, texts);
            default:
                return Form(http, texts, invitation, name, Sentence(result.Outcome, texts, name), StatusCodes.Status422UnprocessableEntity);
        }
    }

    private IResult Form(HttpContext http, Texts texts, Invitation invitation, string name, string? fault, int status = StatusCodes.Status200OK)
    {
        var options = settings.Current;
        var first = invitation.Kind == Invitations.FirstAdminKind;
        var title = first ? Texts.With(texts.SetUp, options.Domain)
            : invitation.RosterJid is { } inviter ? Texts.With(texts.InvitedBy, inviter)
            : Texts.With(texts.InvitedTo, options.Domain);
        var shortest = options.Registration.MinPasswordLength;
        var xmpp = invitations.XmppUri(invitation);
        var clear = !http.Request.IsHttps && http.Connection.RemoteIpAddress is { } address && !IPAddress.IsLoopback(address) && !(address.IsIPv4MappedToIPv6 && IPAddress.IsLoopback(address.MapToIPv4()));
        Html app = first ? Html.Empty : $"""
            <section>
            <h2>{texts.HaveApp}</h2>
            <a class="button" href="{xmpp}">{texts.OpenInApp}</a>
            <p>{texts.Scan}</p>
            {QrSvg.Of(xmpp, texts.Scan)}
            <p class="soft">{texts.NoApp}</p>
            </section>
            {Apps.List(texts, http.Request.Headers.UserAgent.ToString())}
            """;
        return Page.Of(http, texts, title, $"""
            <h1>{title}</h1>
            <p>{(first ? texts.SetUpMeaning : Texts.With(texts.Meaning, options.Domain))}</p>
            <section>
            <h2>{texts.MakeAccount}</h2>
            {(fault is null ? Html.Empty : Html.Of($"<p class=\"bad\" role=\"alert\">{fault}</p>"))}
            {(clear ? Html.Of($"<p class=\"bad\">{texts.Clear}</p>") : Html.Empty)}
            <form method="post">
            <label for="name">{texts.Name}</label>
            <div class="name"><input id="name" name="name" value="{name}" required maxlength="64" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" aria-describedby="name-hint"><span>@{options.Domain}</span></div>
            <p class="soft" id="name-hint">{texts.NameHint}</p>
            <label for="password">{texts.Password}</label>
            <input id="password" name="password" type="password" required minlength="{shortest}" maxlength="256" autocomplete="new-password" aria-describedby="password-hint">
            <p class="soft" id="password-hint">{Texts.With(texts.PasswordHint, shortest.ToString(CultureInfo.InvariantCulture))}</p>
            <button>{texts.MakeAccount}</button>
            </form>
            </section>
            {app}
            <p class="soft">{Texts.With(texts.ValidUntil, Terminal.Time(invitation.ExpiresAt))}. {texts.Ignore}</p>
            """, status);
    }

    private IResult Welcome(HttpContext http, Texts texts, AccountRow account)
    {
        var jid = AdminApi.Address(account);
        var title = Texts.With(texts.Welcome, jid);
        return Page.Of(http, texts, title, $"""
            <h1>{title}</h1>
            <p>{texts.Made}</p>
            {connecting.Section(texts, jid)}
            {Apps.List(texts, http.Request.Headers.UserAgent.ToString())}
            """);
    }

    private static IResult Void(HttpContext http, Texts texts) =>
        Page.Of(http, texts, texts.VoidTitle, $"<h1>{texts.VoidTitle}</h1><p>{texts.Void}</p>", StatusCodes.Status404NotFound);

    private static IResult TooMany(HttpContext http, Texts texts)
    {
        http.Response.Headers.RetryAfter = "3600";
        return Page.Of(http, texts, texts.TooManyTitle, $"<h1>{texts.TooManyTitle}</h1><p>{texts.TooMany}</p>", StatusCodes.Status429TooManyRequests);
    }

    private string Sentence(AccountOutcome outcome, Texts texts, string name) => outcome switch
    {
        AccountOutcome.NameTaken => Texts.With(texts.Taken, name),
        AccountOutcome.PasswordTooShort => Texts.With(texts.ShortPassword, settings.Current.Registration.MinPasswordLength.ToString(CultureInfo.InvariantCulture)),
        AccountOutcome.PasswordInvalid => texts.BadPassword,
        _ => texts.BadName,
    };

    private static async Task<IFormCollection?> ReadFormAsync(HttpContext http)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = MaxFormBytes;
        // A form of files is never wanted here.
        if (http.Request.ContentType?.StartsWith("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase) != true) return null;
        try
        {
            var features = new FormFeature(http.Request, new FormOptions { ValueCountLimit = 8, KeyLengthLimit = 64, ValueLengthLimit = MaxFormBytes, BufferBodyLengthLimit = MaxFormBytes });
            return await features.ReadFormAsync(http.RequestAborted).ConfigureAwait(false);
        }
        catch (Exception e) when (e is InvalidDataException or BadHttpRequestException)
        {
            return null;
        }
    }
}
