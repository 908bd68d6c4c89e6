using System.Globalization;
using System.Net;
using System.Text;

namespace Indaba.Cluster;

/// <summary>Where clients connect.</summary>
internal sealed record BalancerPlace(IPAddress Address, int C2s, int Tls, int Http);

/// <summary>The configuration of HAProxy for nodes on one machine.</summary>
internal static class BalancerFile
{
    /// <summary>Writes it for these nodes.</summary>
    public static string Write(BalancerPlace place, IEnumerable<(int Number, NodePlace Place)> nodes)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            global
                maxconn 4000
            defaults
                timeout connect 3s
                timeout client 1h
                timeout server 1h
                timeout tunnel 1h
                option redispatch
                default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions

            """);
        Section("xmpp", place.C2s, "tcp", "balance leastconn", p => p.C2s);
        Section("xmpps", place.Tls, "tcp", "balance leastconn", p => p.Tls);
        Section("http", place.Http, "http", "balance leastconn", p => p.Http);
        return text.ToString();

        void Section(string name, int port, string mode, string more, Func<NodePlace, int> nodePort)
        {
            text.Append(CultureInfo.InvariantCulture, $"listen {name}\n    mode {mode}\n    bind {place.Address}:{port}\n    {more}\n    option httpchk GET /health/ready\n");
            foreach (var (number, node) in nodes)
                text.Append(CultureInfo.InvariantCulture, $"    server node{number} {node.Address}:{nodePort(node)} check port {node.Http}\n");
        }
    }
}
