using System.Text;
using System.Text.RegularExpressions;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>
/// What a scenario expects to receive: an element whose name and namespace must be equal, whose attributes and
/// children must all be there, in any order, and which allows more of both. The namespace prefix <c>x</c> says more:
/// <c>x:absent="to id"</c> names attributes that must not be there, <c>x:exact="true"</c> allows no further child,
/// <c>x:none="true"</c> on a child says that no such child may be there, <c>x:ordered="true"</c> makes the order of
/// children count. Values may contain <c>{any}</c>, <c>{number}</c>, <c>{datetime}</c> (XEP-0082) and <c>{$name}</c>,
/// which captures at first and must be equal afterwards.
/// </summary>
internal sealed partial class Pattern(Element element, Func<string, string?> resolve, IDictionary<string, string> captured)
{
    /// <summary>The namespace of the attributes that are instructions.</summary>
    public const string Instructions = "urn:indaba:scenario";

    /// <summary>Null when the element matches, else the first difference in words. Captures only when all of it matches.</summary>
    public string? Difference(Element actual)
    {
        var found = new Dictionary<string, string>();
        var difference = Compare(element, actual, found);
        if (difference is not null) return difference;
        foreach (var (name, value) in found) captured[name] = value;
        return null;
    }

    private string? Compare(Element pattern, Element actual, Dictionary<string, string> found)
    {
        if (pattern.Name != actual.Name || pattern.Namespace != actual.Namespace)
            return $"<{actual.Name} xmlns='{actual.Namespace}'> stands where <{pattern.Name} xmlns='{pattern.Namespace}'> is expected";
        foreach (var a in pattern.Attributes)
        {
            if (a.Namespace == Instructions) continue;
            var value = actual.Attribute(a.Name, a.Namespace);
            if (value is null) return $"<{actual.Name}> has no attribute {a.Name}";
            if (!Matches(a.Value, value, found)) return $"<{actual.Name}> has {a.Name}='{value}', expected '{a.Value}'";
        }
        foreach (var name in Words(pattern.Attribute("absent", Instructions)))
        {
            if (actual[name] is { } value) return $"<{actual.Name}> must not have {name}='{value}'";
        }
        var text = pattern.Text.Trim();
        if (text.Length > 0 && !Matches(text, actual.Text.Trim(), found)) return $"<{actual.Name}> has the text '{actual.Text}', expected '{text}'";
        return CompareChildren(pattern, actual, found);
    }

    private string? CompareChildren(Element pattern, Element actual, Dictionary<string, string> found)
    {
        var left = actual.Elements.ToList();
        var ordered = IsTrue(pattern, "ordered");
        foreach (var child in pattern.Elements.Where(c => !IsTrue(c, "none")))
        {
            string? nearest = null;
            var at = left.FindIndex(candidate =>
            {
                var attempt = new Dictionary<string, string>(found);
                var difference = Compare(child, candidate, attempt);
                if (difference is null)
                {
                    foreach (var (name, value) in attempt) found[name] = value;
                    return true;
                }
                if (candidate.Name == child.Name && candidate.Namespace == child.Namespace) nearest = difference;
                return false;
            });
            if (at < 0) return nearest ?? $"<{actual.Name}> has no child <{child.Name} xmlns='{child.Namespace}'>";
            if (ordered) left.RemoveRange(0, at + 1);
            else left.RemoveAt(at);
        }
        foreach (var child in pattern.Elements.Where(c => IsTrue(c, "none")))
        {
            if (left.Exists(candidate => Compare(child, candidate, new Dictionary<string, string>(found)) is null)) return $"<{actual.Name}> must not have the child <{child.Name}>";
        }
        return IsTrue(pattern, "exact") && left.Count > 0 ? $"<{actual.Name}> has the child <{left[0].Name} xmlns='{left[0].Namespace}'> beyond what is expected" : null;
    }

    private bool Matches(string pattern, string value, Dictionary<string, string> found)
    {
        if (!pattern.Contains('{', StringComparison.Ordinal)) return pattern == value;
        var regex = new StringBuilder("^");
        var names = new List<string>();
        var at = 0;
        foreach (Match token in Token().Matches(pattern))
        {
            regex.Append(Regex.Escape(pattern[at..token.Index]));
            at = token.Index + token.Length;
            regex.Append(Expression(token.Groups[1].Value, found, names));
        }
        regex.Append(Regex.Escape(pattern[at..])).Append('$');
        var match = Regex.Match(value, regex.ToString(), RegexOptions.Singleline | RegexOptions.CultureInvariant);
        if (!match.Success) return false;
        for (var i = 0; i < names.Count; i++) found[names[i]] = match.Groups[i + 1].Value;
        return true;
    }

    private string Expression(string token, Dictionary<string, string> found, List<string> names)
    {
        switch (token)
        {
            case "any":
                return ".*";
            case "number":
                return "[0-9]+";
            case "datetime":
                return @"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)";
        }
        if (token[0] == '$')
        {
            var name = token[1..];
            if (found.TryGetValue(name, out var known) || captured.TryGetValue(name, out known)) return Regex.Escape(known);
            names.Add(name);
            return "(.+)";
        }
        return Regex.Escape(resolve(token) ?? throw new FormatException($"{{{token}}} means nothing"));
    }

    private static bool IsTrue(Element e, string instruction) => e.Attribute(instruction, Instructions) == "true";

    private static string[] Words(string? text) => text?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];

    [GeneratedRegex(@"\{([^{}\s][^{}]*)\}")]
    internal static partial Regex Token();
}
