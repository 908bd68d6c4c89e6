using System.Globalization;
using System.Net;
using Indaba.Server.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Gateway;

/// <summary>The WebSocket endpoint <c>/xmpp-websocket</c> (RFC 7395).</summary>
internal static class WebSocketEndpoint
{
    /// <summary>Its path, as published by host-meta (XEP-0156).</summary>
    public const string Path = "/xmpp-websocket";
    private const string Protocol = "xmpp";

    /// <summary>Maps the endpoint.</summary>
    public static void MapXmppWebSocket(this WebApplication app, Node node, ConnectionCounts counts) => app.Map(Path, context => ServeAsync(context, node, counts));

    private static async Task ServeAsync(HttpContext context, Node node, ConnectionCounts counts)
    {
        // RFC 7395 section 3.1: the client must offer the subprotocol, and the server must choose it.
        if (!context.WebSockets.IsWebSocketRequest || !context.WebSockets.WebSocketRequestedProtocols.Contains(Protocol))
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsync("A WebSocket of the subprotocol xmpp is expected here (RFC 7395).").ConfigureAwait(false);
            return;
        }
        if (node.IsLeaving || node.Admission.IsFull)
        {
            // A balancer asks another node, whatever its cookie says; a browser's script sees only that it failed.
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            context.Response.Headers.RetryAfter = node.Admission.ComeBackSeconds().ToString(CultureInfo.InvariantCulture);
            return;
        }
        var address = context.Connection.RemoteIpAddress;
        if (address is { IsIPv4MappedToIPv6: true }) address = address.MapToIPv4();
        if (!counts.TryEnter(address))
        {
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            return;
        }
        try
        {
            using var socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { SubProtocol = Protocol, KeepAliveInterval = TimeSpan.FromSeconds(30) }).ConfigureAwait(false);
            var limits = node.Options.Limits;
            var remote = address is null ? null : new IPEndPoint(address, context.Connection.RemotePort);
            var channel = new WebSocketChannel(socket, remote, context.Request.IsHttps,
                new XmppReaderLimits(limits.MaxStanzaBytesUnauthenticated, limits.MaxDepth, MaxElements: limits.MaxElementsUnauthenticated),
                context.Abort);
            await new ClientStream(node, channel).RunAsync(node.StopToken, context.RequestAborted).ConfigureAwait(false);
        }
        finally
        {
            counts.Leave(address);
        }
    }
}
