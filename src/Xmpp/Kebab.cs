using System.Collections.Concurrent;
using System.Text;

namespace Indaba.Xmpp;

/// <summary>Names of enum members as the RFCs spell them: <c>ServiceUnavailable</c> is <c>service-unavailable</c>.</summary>
public static class Kebab
{
    private static readonly ConcurrentDictionary<Enum, string> Names = new();

    /// <summary>The kebab-case name of a member.</summary>
    public static string Of(Enum value) => Names.GetOrAdd(value, static v =>
    {
        var name = new StringBuilder();
        foreach (var c in v.ToString())
        {
            if (char.IsUpper(c) && name.Length > 0) name.Append('-');
            name.Append(char.ToLowerInvariant(c));
        }
        return name.ToString();
    });

    /// <summary>The member of a kebab-case name; false when there is none.</summary>
    public static bool TryParse<T>(string name, out T value) where T : struct, Enum
    {
        foreach (var member in Enum.GetValues<T>())
        {
            value = member;
            if (Of(member) == name) return true;
        }
        value = default;
        return false;
    }
}
