using System.Net;
using System.Text;

namespace Indaba.Cluster;

/// <summary>Where clients connect, and where HAProxy shows what it knows.</summary>
internal sealed record BalancerPlace(IPAddress Address, int C2s, int Tls, int Http, int Https, int Stats)
{
    /// <summary>The environment that tells <c>deploy/haproxy.cfg</c> where to listen.</summary>
    public IReadOnlyDictionary<string, string> Environment(string folder)
    {
        string At(int port) => $"{Address}:{ChildProcess.Number(port)}";
        return new Dictionary<string, string>
        {
            ["BIND_XMPP"] = At(C2s), ["BIND_XMPPS"] = At(Tls), ["BIND_HTTP"] = At(Http), ["BIND_HTTPS"] = At(Https), ["BIND_STATS"] = At(Stats),
            ["ADMIN_SOCKET"] = Path.Combine(folder, "admin.sock"),
            ["MAXCONN"] = "4000", // a user may not have more than some thousand open files
        };
    }
}

/// <summary>The file that we ship for HAProxy, with this cluster's nodes in it, by the rule at its top.</summary>
internal static class BalancerFile
{
    private const string Mark = "# node: ";

    /// <summary>Writes it for these nodes.</summary>
    public static string Write(string shipped, IReadOnlyList<(int Number, NodePlace Place)> nodes)
    {
        var lines = new StringBuilder();
        foreach (var line in shipped.Split('\n'))
        {
            var text = line.Trim();
            if (text.StartsWith("server ", StringComparison.Ordinal)) continue;
            if (!text.StartsWith(Mark, StringComparison.Ordinal) || text.Contains("...", StringComparison.Ordinal)) lines.Append(line).Append('\n');
            else foreach (var (number, place) in nodes) lines.Append("    ").Append(Fill(text[Mark.Length..], number, place)).Append('\n');
        }
        return lines.ToString();
    }

    /// <summary>The shipped file.</summary>
    public static string Shipped()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var file = Path.Combine(folder.FullName, "deploy", "haproxy.cfg");
            if (File.Exists(file)) return File.ReadAllText(file);
        }
        throw new ClusterException("deploy/haproxy.cfg was not found above this program");
    }

    private static string Fill(string pattern, int number, NodePlace place)
    {
        var text = pattern;
        // the longer names first: HTTPS contains HTTP
        foreach (var (name, value) in new[] { ("NAME", $"n{number}"), ("ADDRESS", $"{place.Address}"), ("HTTPS", N(place.Https)), ("HTTP", N(place.Http)), ("TLS", N(place.Tls)), ("C2S", N(place.C2s)), ("AGENT", N(place.Agent)) })
            text = text.Replace(name, value, StringComparison.Ordinal);
        return text;
    }

    private static string N(int port) => ChildProcess.Number(port);
}
