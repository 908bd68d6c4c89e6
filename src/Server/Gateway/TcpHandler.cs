using System.Net;
using System.Net.Security;
using Indaba.Server.Streams;
using Indaba.Xmpp.Sasl;
using Indaba.Xmpp.Xml;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Indaba.Server.Gateway;

/// <summary>Kestrel's connections on 5222 and 5223, each handed to a client stream.</summary>
internal sealed class TcpHandler(Node node, Certificates certificates, ConnectionCounts counts) : ConnectionHandler
{
    /// <inheritdoc/>
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var remote = connection.RemoteEndPoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port) : connection.RemoteEndPoint;
        var address = (remote as IPEndPoint)?.Address;
        if (!counts.TryEnter(address)) return; // closing is the answer: telling each of a flood costs more
        try
        {
            var direct = connection.Features.Get<ISslStreamFeature>() is { } tls ? new TlsSession(null, TlsSession.BindingsOf(tls.SslStream, certificates.Current.Leaf))
                : connection.Features.Get<ITlsConnectionFeature>() is BalancerTls ? new TlsSession(null, ChannelBindings.None) // bound to the balancer's end, which is not ours
                : null;
            var limits = node.Options.Limits;
            await using var channel = new TcpChannel(connection.Transport, remote,
                new XmppReaderLimits(limits.MaxStanzaBytesUnauthenticated, limits.MaxDepth, MaxElements: limits.MaxElementsUnauthenticated),
                direct, direct is null ? StartTlsAsync : null, connection.Abort);
            await new ClientStream(node, channel, connection.Features.Get<AdmissionTicket>()).RunAsync(node.StopToken, connection.ConnectionClosed).ConfigureAwait(false);
        }
        finally
        {
            counts.Leave(address);
        }
    }

    private async Task<TlsSession> StartTlsAsync(Stream stream, CancellationToken cancel)
    {
        var certificate = certificates.Current;
        var ssl = new SslStream(stream, leaveInnerStreamOpen: false);
        await ssl.AuthenticateAsServerAsync(certificate.StartTls, cancel).ConfigureAwait(false);
        return new TlsSession(ssl, TlsSession.BindingsOf(ssl, certificate.Leaf));
    }

}
