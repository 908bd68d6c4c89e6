using System.Net;
using System.Security.Cryptography.X509Certificates;
using Indaba.Server.Options;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Indaba.Server.Gateway;

/// <summary>The client's TLS ended at a balancer that is trusted to say so. ASP.NET takes the feature for https, ours for <see cref="IXmlChannel.IsSecure"/>.</summary>
internal sealed class BalancerTls : ITlsConnectionFeature
{
    /// <inheritdoc/>
    public X509Certificate2? ClientCertificate { get; set; }

    /// <inheritdoc/>
    public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) => Task.FromResult(ClientCertificate);
}

/// <summary>
/// Connection middleware: from the balancers that the settings name, each connection must begin with a PROXY header; from
/// then on it is the client's connection, for the limits, the log and <c>indaba sessions</c>. From anybody else a header is
/// not read, so it is garbage to whatever comes next.
/// </summary>
internal sealed partial class ProxyProtocol(Settings settings, TimeProvider time, ILogger<ProxyProtocol> log)
{
    /// <summary>How long a header may take: a balancer sends it with the first packet (proxy-protocol.txt section 2).</summary>
    private static readonly TimeSpan HeaderLimit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan WarnEvery = TimeSpan.FromMinutes(1); // a balancer that is set up wrong connects several times a second
    private readonly IPNetwork[] _balancers = [.. settings.Current.ProxyProtocol.From.Select(Network)];
    private long _warnAt = long.MinValue;

    /// <summary>Puts itself in front of what is added to the listener after it; does nothing when no balancer is named.</summary>
    public ListenOptions Guard(ListenOptions listener)
    {
        if (_balancers.Length > 0) listener.Use(next => connection => OnConnectedAsync(connection, next));
        return listener;
    }

    private async Task OnConnectedAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        if (connection.RemoteEndPoint is not IPEndPoint { Address: var address }) return;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (_balancers.Any(b => b.Contains(address)))
        {
            ProxyHeader? header;
            try
            {
                header = await ReadAsync(connection).ConfigureAwait(false);
            }
            catch (ProxyHeaderException e)
            {
                Refused(address, e.Message);
                return;
            }
            if (header is null) return; // opened and closed without a byte, as the simplest of health checks does
            Adopt(connection, header, address);
        }
        await next(connection).ConfigureAwait(false);
    }

    private async Task<ProxyHeader?> ReadAsync(ConnectionContext connection)
    {
        using var limit = new CancellationTokenSource(HeaderLimit, time);
        var input = connection.Transport.Input;
        try
        {
            while (true)
            {
                var result = await input.ReadAsync(limit.Token).ConfigureAwait(false);
                var buffer = result.Buffer;
                var header = default(ProxyHeader);
                try
                {
                    header = ProxyHeader.Read(ref buffer);
                }
                finally
                {
                    input.AdvanceTo(buffer.Start, header is null ? buffer.End : buffer.Start);
                }
                if (header is not null) return header;
                if (!result.IsCompleted) continue;
                return buffer.IsEmpty ? null : throw new ProxyHeaderException("the header is cut off");
            }
        }
        catch (OperationCanceledException)
        {
            throw new ProxyHeaderException("no PROXY header came in time");
        }
        catch (IOException)
        {
            return null; // reset
        }
    }

    /// <summary>
    /// Takes the balancer's word. A loopback address means this machine only if the balancer is on it too: logging in
    /// without TLS and the counts of connections hang on that.
    /// </summary>
    private static void Adopt(ConnectionContext connection, ProxyHeader header, IPAddress balancer)
    {
        if (header.Source is { } source && (!IPAddress.IsLoopback(source.Address) || IPAddress.IsLoopback(balancer))) connection.RemoteEndPoint = source;
        if (header.Tls) connection.Features.Set<ITlsConnectionFeature>(new BalancerTls());
    }

    private void Refused(IPAddress balancer, string reason)
    {
        var now = time.GetTimestamp();
        var due = Volatile.Read(ref _warnAt);
        if (now < due || Interlocked.CompareExchange(ref _warnAt, now + (long)(WarnEvery.TotalSeconds * time.TimestampFrequency), due) != due) return;
        LogRefused(log, balancer, reason);
    }

    private static IPNetwork Network(string item) =>
        IPAddress.TryParse(item, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8) : IPNetwork.Parse(item);

    [LoggerMessage(1110, LogLevel.Warning, "A connection from {Balancer}, which is in proxyProtocol.from, was refused: {Reason}; more of the kind within the next minute are not told")]
    private static partial void LogRefused(ILogger log, IPAddress balancer, string reason);
}
