namespace Indaba.Server.Options;

/// <summary>Where the HTTP side is reached from outside: <c>publicUrl</c>, or what follows from domain and ports.</summary>
internal sealed class PublicAddress(Settings settings)
{
    private int? _http;
    private int? _https;

    /// <summary>Tells which ports the listeners got, where the settings ask for any free one.</summary>
    public void Bound(int? http, int? https)
    {
        _http = http;
        _https = https;
    }

    /// <summary>The base, with a slash at its end; null when nothing listens for HTTP and no <c>publicUrl</c> is set.</summary>
    public Uri? Base
    {
        get
        {
            var options = settings.Current;
            if (options.PublicUrl is { } url) return new Uri(url.AbsoluteUri.TrimEnd('/') + "/");
            var http = options.Http.Port.IsOn ? _http ?? options.Http.Port.Number : 0;
            var https = options.Https.Port.IsOn ? _https ?? options.Https.Port.Number : 0;
            // On the machine itself a self-signed certificate would only frighten.
            if (options.Domain == "localhost" && http != 0) return Of("http", options.Domain, http);
            if (https != 0) return Of("https", options.Domain, https);
            return http == 0 ? null : Of("http", options.Domain, http);
        }
    }

    /// <summary>An address below the base, or null.</summary>
    public Uri? Under(string path) => Base is { } root ? new Uri(root, path) : null;

    /// <summary>The WebSocket endpoint (RFC 7395) as seen from outside, or null.</summary>
    public Uri? WebSocket => Under("xmpp-websocket") is { } uri ? new UriBuilder(uri) { Scheme = uri.Scheme == "https" ? "wss" : "ws" }.Uri : null;

    private static Uri Of(string scheme, string domain, int port) => new UriBuilder(scheme, domain, port).Uri;
}
