using System.Net;
using Indaba.Xmpp;

namespace Indaba.Server.Options;

/// <summary>Rules between settings that need no look at the machine (see <see cref="StartCheck"/> for those).</summary>
internal static class Validation
{
    /// <summary>The domain as addresses have it (RFC 7622 section 3.2); on failure a mistake, and the default.</summary>
    public static string PrepareDomain(string domain, ICollection<string> mistakes)
    {
        if (Jid.TryCreate(null, domain, null, out var jid)) return jid.Domain;
        mistakes.Add($"'domain' must be a domain name such as example.org, not '{domain}'");
        return new ServerOptions().Domain;
    }

    /// <summary>One plain sentence for each mistake.</summary>
    public static IEnumerable<string> Check(ServerOptions options)
    {
        foreach (var mistake in CheckAddresses(options).Concat(CheckPorts(options)).Concat(CheckContacts(options.Contacts))) yield return mistake;

        if (options.PublicUrl is { } url)
        {
            if (url.Scheme is not ("http" or "https")) yield return $"'publicUrl' must begin with https:// or http://, not '{url.OriginalString}'";
            else if (url.Query.Length > 0 || url.Fragment.Length > 0 || url.UserInfo.Length > 0) yield return $"'publicUrl' must be plain scheme, host, port and path, not '{url.OriginalString}'";
        }
        if (options.Certificate is { Path: null, KeyPath: not null }) yield return "'certificate.keyPath' is set but 'certificate.path' is not";
        if (options.Limits.MaxStanzaBytesUnauthenticated > options.Limits.MaxStanzaBytes)
            yield return "'limits.maxStanzaBytesUnauthenticated' is larger than 'limits.maxStanzaBytes': strangers would be allowed more than users";
    }

    private static IEnumerable<string> CheckAddresses(ServerOptions options)
    {
        foreach (var (key, list) in new[] { ("bind", options.Bind), ("http.bind", options.Http.Bind), ("cluster.agentBind", options.Cluster.AgentBind) })
        {
            if (list.Count == 0) yield return $"'{key}' is empty: nothing would listen (switch single ports off with \"off\")";
            foreach (var item in list.Where(i => i is not ("*" or "localhost") && !IPAddress.TryParse(i, out _)))
                yield return $"'{key}' takes addresses such as 192.0.2.1 or ::1, or * for all of them, not '{item}'";
        }
        foreach (var (key, list) in new[] { ("http.trustedProxies", options.Http.TrustedProxies), ("proxyProtocol.from", options.ProxyProtocol.From), ("http.metricsFrom", options.Http.MetricsFrom) })
        {
            foreach (var item in list.Where(i => !IPAddress.TryParse(i, out _) && !IPNetwork.TryParse(i, out _)))
                yield return $"'{key}' takes addresses or networks such as 10.0.0.0/8, not '{item}'";
        }
        if (!IPAddress.TryParse(options.Cluster.Address, out _)) yield return $"'cluster.address' is an address such as 10.0.0.5, not '{options.Cluster.Address}'";
    }

    private static IEnumerable<string> CheckPorts(ServerOptions options)
    {
        var seen = new Dictionary<int, string>();
        var ports = new (string Key, int Port)[]
        {
            ("c2s.port", options.C2s.Port.Number), ("tls.port", options.Tls.Port.Number), ("http.port", options.Http.Port.Number),
            ("https.port", options.Https.Port.Number), ("cluster.siloPort", options.Cluster.SiloPort), ("cluster.gatewayPort", options.Cluster.GatewayPort), ("cluster.agentPort", options.Cluster.AgentPort.Number),
        };
        foreach (var (key, port) in ports.Where(p => p.Port > 0))
        {
            if (!seen.TryAdd(port, key)) yield return $"'{key}' and '{seen[port]}' are both {port}";
        }
    }

    private static IEnumerable<string> CheckContacts(ContactOptions contacts)
    {
        foreach (var (key, list) in new[] { ("admin", contacts.Admin), ("abuse", contacts.Abuse), ("support", contacts.Support), ("security", contacts.Security) })
        {
            foreach (var item in list.Where(i => !Uri.TryCreate(i, UriKind.Absolute, out _)))
                yield return $"'contacts.{key}' takes addresses with a scheme (XEP-0157), such as mailto:admin@example.org or xmpp:admin@example.org, not '{item}'";
        }
    }
}
