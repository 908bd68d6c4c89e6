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
            var http = Port(options.Http.Port, _http);
            var https = Port(options.Https.Port, _https);
            // On the machine itself a self-signed certificate would only frighten.
            if (options.Domain == "localhost" && http != 0) return Of("http", options.Domain, http);
            if (https != 0) return Of("https", options.Domain, https);
            return http == 0 ? null : Of("http", options.Domain, http);
        }
    }

    /// <summary>An address below the base, or null.</summary>
    public Uri? Under(string path) => Base is { } root ? new Uri(root, path) : null;

    /// <summary>
    /// The WebSocket endpoint (RFC 7395) as somebody sees it who asks with or without TLS; null when nothing listens so.
    /// </summary>
    public Uri? WebSocketFor(bool https)
    {
        var options = settings.Current;
        if (options.PublicUrl is not null) return new UriBuilder(Under("xmpp-websocket")!) { Scheme = Base!.Scheme == "https" ? "wss" : "ws" }.Uri;
        var port = https ? Port(options.Https.Port, _https) : Port(options.Http.Port, _http);
        return port == 0 ? null : new UriBuilder(https ? "wss" : "ws", options.Domain, port, "xmpp-websocket").Uri;
    }

    private static int Port(ListenPort wanted, int? bound) => wanted.IsOn ? bound ?? wanted.Number : 0;

    private static Uri Of(string scheme, string domain, int port) => new UriBuilder(scheme, domain, port).Uri;
}
