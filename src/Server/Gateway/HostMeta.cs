using System.Security;
using System.Text;
using System.Text.Json;
using Indaba.Server.Options;
using Indaba.Xmpp;

namespace Indaba.Server.Gateway;

/// <summary>
/// XEP-0156: where the WebSocket is, as XRD and JSON, readable by pages of other origins. Over HTTPS (or with a
/// <c>publicUrl</c>) the address begins with wss://, as the XEP demands; without TLS, which is for this machine only, it is
/// the ws:// address of the same listener.
/// </summary>
internal static class HostMeta
{
    /// <summary>Maps <c>/.well-known/host-meta</c> and <c>host-meta.json</c>.</summary>
    public static void MapHostMeta(this IEndpointRouteBuilder app, PublicAddress address)
    {
        app.MapGet("/.well-known/host-meta", (HttpContext http) => Answer(http, "application/xrd+xml", Xrd(address.WebSocketFor(http.Request.IsHttps))));
        app.MapGet("/.well-known/host-meta.json", (HttpContext http) => Answer(http, "application/json", Jrd(address.WebSocketFor(http.Request.IsHttps))));
    }

    private static IResult Answer(HttpContext http, string type, string body)
    {
        http.Response.Headers.AccessControlAllowOrigin = "*";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.CacheControl = "public, max-age=300";
        return Results.Text(body, type + "; charset=utf-8", Encoding.UTF8);
    }

    private static string Xrd(Uri? webSocket) => $"""
        <?xml version="1.0" encoding="utf-8"?>
        <XRD xmlns="{Ns.HostMetaXrd}">{(webSocket is null ? "" : $"""<Link rel="{Ns.AltConnectionWebSocket}" href="{SecurityElement.Escape(webSocket.AbsoluteUri)}"/>""")}</XRD>
        """;

    private static string Jrd(Uri? webSocket)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("links");
            if (webSocket is not null)
            {
                json.WriteStartObject();
                json.WriteString("rel", Ns.AltConnectionWebSocket);
                json.WriteString("href", webSocket.AbsoluteUri);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
