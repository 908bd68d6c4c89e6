using System.Net;
using Indaba.Server.Options;
using Microsoft.AspNetCore.HttpOverrides;

namespace Indaba.Server.Gateway;

/// <summary>Takes the client's address and scheme from reverse proxies that the settings trust, from nobody else.</summary>
internal static class TrustedProxies
{
    /// <summary>Comes first in the pipeline.</summary>
    public static void UseTrustedProxies(this IApplicationBuilder app, ServerOptions options)
    {
        var forwarded = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto, ForwardLimit = null };
        forwarded.KnownProxies.Clear();
        forwarded.KnownIPNetworks.Clear();
        foreach (var item in options.Http.TrustedProxies)
        {
            if (IPAddress.TryParse(item, out var address)) forwarded.KnownProxies.Add(address);
            else forwarded.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(item));
        }
        app.UseForwardedHeaders(forwarded);
    }
}
