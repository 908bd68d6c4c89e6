using System.Globalization;
using Indaba.Server.Gateway;
using Indaba.Server.Options;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Builder;

namespace Indaba.Server.Admin;

/// <summary>How an app is connected, and the page at <c>/</c> that says so (until the web app takes that place).</summary>
internal sealed class Connecting(Settings settings, Certificates certificates)
{
    /// <summary>Maps the page at <c>/</c>.</summary>
    public void MapLanding(IEndpointRouteBuilder app) => app.MapGet("/", (HttpContext http) =>
    {
        var texts = Page.Language(http.Request.Headers.AcceptLanguage);
        var title = Texts.With(texts.Runs, settings.Current.Domain);
        return Page.Of(http, texts, title, $"""
            <h1>{title}</h1>
            <p>{Texts.With(texts.Meaning, settings.Current.Domain)}</p>
            {(settings.Current.Registration.Mode == RegistrationMode.Invite ? Html.Of($"<p>{texts.ByInvitation}</p>") : Html.Empty)}
            {Section(texts, null)}
            {Apps.List(texts, http.Request.Headers.UserAgent.ToString())}
            """);
    });

    /// <summary>Server and ports, and the address when it is known.</summary>
    public Html Section(Texts texts, string? jid)
    {
        var options = settings.Current;
        var ports = new List<string>();
        if (options.C2s.Port.IsOn) ports.Add($"{Number(options.C2s.Port)} (STARTTLS)");
        if (options.Tls.Port.IsOn) ports.Add($"{Number(options.Tls.Port)} (TLS)");
        return $"""
            <section>
            <h2>{texts.Connect}</h2>
            <dl>
            {(jid is null ? Html.Empty : Html.Of($"<dt>{texts.Address}</dt><dd><code>{jid}</code></dd>"))}
            <dt>{texts.Server}</dt><dd><code>{options.Domain}</code></dd>
            <dt>{texts.Ports}</dt><dd>{string.Join(", ", ports)}</dd>
            </dl>
            {(certificates.Current.SelfSigned ? Html.Of($"<p class=\"soft\">{texts.SelfSigned}</p>") : Html.Empty)}
            </section>
            """;
    }

    private static string Number(ListenPort port) => port.Number.ToString(CultureInfo.InvariantCulture);
}
