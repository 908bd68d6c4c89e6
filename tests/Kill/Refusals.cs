using System.Collections.Concurrent;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Kill;

/// <summary>
/// Errors that servers gave to clients. A stream that ends so that the client connects again is right; what a person
/// would be shown (a wrong password, a broken server) is not.
/// </summary>
internal sealed class Refusals
{
    private static readonly HashSet<string> OnlyReconnect =
    [
        // RFC 6120 section 4.9.3: the stream was ended for no fault of the client's
        "system-shutdown", "connection-timeout", "see-other-host", "reset", "resource-constraint",
        "conflict", // the same device came back while its old connection seemed alive
        "remote-connection-failed",
        "temporary-auth-failure", // section 6.5.10: "the initiating entity might want to retry"
    ];
    private readonly ConcurrentDictionary<string, int> _seen = [];

    /// <summary>All that was given, and how often.</summary>
    public IReadOnlyDictionary<string, int> Seen => _seen;

    /// <summary>What should not have been given, as sentences.</summary>
    public IReadOnlyDictionary<string, int> Wrong => _seen.Where(s => !s.Key.EndsWith(Fine, StringComparison.Ordinal)).ToDictionary(s => s.Key, s => s.Value);

    private const string Fine = " (only a reconnect)";

    /// <summary>Counts an element if it is an error.</summary>
    public void Note(string account, Element element)
    {
        if (Condition(element) is not { } condition) return;
        var wait = element.Child("error", Ns.Client)?["type"] == "wait"; // "retry after waiting" (section 8.3.2)
        _seen.AddOrUpdate(condition + (wait || OnlyReconnect.Contains(condition.Split(' ')[^1]) ? Fine : ""), 1, (_, n) => n + 1);
    }

    private static string? Condition(Element e) => e switch
    {
        _ when e.Is("error", Ns.Stream) => $"stream error {e.Elements.FirstOrDefault(c => c.Namespace == Ns.StreamErrors && c.Name != "text")?.Name}",
        _ when e.Name == "failure" => $"authentication failure {e.Elements.FirstOrDefault(c => c.Namespace == Ns.Sasl && c.Name != "text")?.Name}",
        _ when e["type"] == "error" => $"{e.Name} error {e.Child("error", Ns.Client)?.Elements.FirstOrDefault(c => c.Namespace == Ns.StanzaErrors && c.Name != "text")?.Name}",
        _ => null,
    };
}
