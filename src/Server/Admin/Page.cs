using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Indaba.Server.Admin;

/// <summary>
/// What the server's own pages share: one small style, light and dark, from 360 px on; no script and nothing from another
/// host, which the Content-Security-Policy holds.
/// </summary>
internal static class Page
{
    private const string Style = """
        :root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--text:#15181d;--soft:#5a6270;--line:#d9dde4;--main:#0b6b58;--on:#fff;--bad:#b3261e}
        @media(prefers-color-scheme:dark){:root{--back:#101316;--card:#191d22;--text:#e8eaee;--soft:#a2abb8;--line:#343b45;--main:#5fd0b5;--on:#06231c;--bad:#ff8a80}}
        *{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
        main{max-width:34rem;margin:0 auto;padding:1rem}section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1rem 1.25rem;margin:1rem 0}
        h1{font-size:1.5rem;line-height:1.25;margin:1rem 0 .5rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:0 0 .5rem}p{margin:.5rem 0}a{color:var(--main)}
        label{display:block;font-weight:600;margin:.75rem 0 .25rem}input{width:100%;font:inherit;color:inherit;background:var(--back);border:1px solid var(--soft);border-radius:.5rem;padding:.6rem}
        .name{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .4rem}.name input{flex:1 1 10rem;width:auto;min-width:0}.name span{overflow-wrap:anywhere}
        .soft{color:var(--soft);font-size:.9rem}.bad{color:var(--bad);font-weight:600}
        .button,button{display:inline-block;font:inherit;font-weight:600;text-decoration:none;background:var(--main);color:var(--on);border:0;border-radius:.5rem;padding:.65rem 1.1rem;margin:.75rem 0;cursor:pointer}
        :focus-visible{outline:3px solid var(--main);outline-offset:2px}code{font-size:.95em;overflow-wrap:anywhere}svg{display:block;width:12rem;max-width:100%;height:auto;background:#fff;border-radius:.5rem;margin:.5rem 0}
        dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:.5rem 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}ul{padding-inline-start:1.2rem;margin:.5rem 0}
        """;

    private static readonly string Policy =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    /// <summary>Writes a page. The address of an invitation is a secret: it is neither stored by caches nor told to other sites.</summary>
    public static IResult Of(HttpContext http, Texts texts, string title, Html body, int status = StatusCodes.Status200OK)
    {
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["X-Robots-Tag"] = "noindex, nofollow";
        headers.Vary = "Accept-Language, User-Agent";
        Html page = $"""
            <!doctype html>
            <html lang="{texts.Language}" dir="ltr">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{title}</title>
            <style>{Html.Raw(Style)}</style>
            </head>
            <body>
            <main>
            {body}
            </main>
            </body>
            </html>

            """;
        return Results.Text(page.ToString(), "text/html; charset=utf-8", Encoding.UTF8, status);
    }

    /// <summary>The best of the languages that the pages have; English when the browser asks for others only.</summary>
    public static Texts Language(StringValues acceptLanguage)
    {
        if (!StringWithQualityHeaderValue.TryParseList(acceptLanguage, out var wanted)) return Texts.English;
        foreach (var item in wanted.OrderByDescending(w => w.Quality ?? 1))
        {
            if (item.Value.StartsWith("zh", StringComparison.OrdinalIgnoreCase)) return Texts.Chinese;
            if (item.Value.StartsWith("en", StringComparison.OrdinalIgnoreCase)) return Texts.English;
        }
        return Texts.English;
    }
}
