using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Logging;

namespace Indaba.Server.Options;

/// <summary>One setting: its path and how it is read from text.</summary>
internal sealed class SettingKey
{
    private readonly PropertyInfo[] _chain;
    private readonly BoundsAttribute? _bounds;

    internal SettingKey(string path, PropertyInfo[] chain)
    {
        Path = path;
        _chain = chain;
        var property = chain[^1];
        _bounds = property.GetCustomAttribute<BoundsAttribute>();
        NeedsRestart = property.GetCustomAttribute<RestartAttribute>() is not null;
        IsOneNode = property.GetCustomAttribute<OneNodeAttribute>() is not null || path.StartsWith("database.", StringComparison.Ordinal);
        IsSecret = property.GetCustomAttribute<SecretAttribute>() is not null;
        IsList = property.PropertyType == typeof(IReadOnlyList<string>);
        IsMap = property.PropertyType == typeof(IReadOnlyDictionary<string, LogLevel>);
    }

    /// <summary>The name, e.g. <c>limits.maxStanzaBytes</c>.</summary>
    public string Path { get; }

    public bool NeedsRestart { get; }

    public bool IsSecret { get; }

    /// <summary>Of one node, or needed to open the database: never set for all nodes.</summary>
    public bool IsOneNode { get; }

    /// <summary>Takes several values: a JSON array, or text parted by commas.</summary>
    public bool IsList { get; }

    /// <summary>Takes names of its own below it.</summary>
    public bool IsMap { get; }

    /// <summary>The value in a set of options.</summary>
    public object? Of(ServerOptions options) => _chain.Aggregate((object?)options, (value, property) => property.GetValue(value));

    /// <summary>The value as one writes it; lists with commas, what is not set as an empty string.</summary>
    public string Show(ServerOptions options) => Of(options) switch
    {
        null => "",
        _ when IsSecret => "(secret)",
        IReadOnlyList<string> list => string.Join(',', list),
        IReadOnlyDictionary<string, LogLevel> map => string.Join(',', map.Select(p => $"{p.Key}={Word(p.Value)}")),
        Enum word => Word(word),
        bool flag => flag ? "true" : "false",
        var other => Convert.ToString(other, CultureInfo.InvariantCulture) ?? "",
    };

    /// <summary>Puts a value where it belongs; the options must be fresh, for records are shared otherwise.</summary>
    internal void Put(ServerOptions options, object? value)
    {
        object target = options;
        foreach (var property in _chain[..^1]) target = property.GetValue(target)!;
        _chain[^1].SetValue(target, value);
    }

    /// <summary>Reads a value; on failure <paramref name="fault"/> ends the sentence "SETTING …".</summary>
    internal bool TryRead(IReadOnlyList<string> items, out object? value, out string fault)
    {
        value = null;
        fault = "";
        if (IsList)
        {
            value = items.SelectMany(static i => i.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)).ToArray();
            return true;
        }
        if (items.Count != 1)
        {
            fault = "takes one value, not a list";
            return false;
        }
        return TryReadOne(items[0].Trim(), out value, out fault);
    }

    private bool TryReadOne(string text, out object? value, out string fault)
    {
        var type = _chain[^1].PropertyType;
        fault = "";
        value = null;
        if (type == typeof(string))
        {
            value = text;
            return true;
        }
        if (type == typeof(bool)) return TryReadBool(text, out value, out fault);
        if (type == typeof(int)) return TryReadInt(text, out value, out fault);
        if (type.IsEnum || type == typeof(IReadOnlyDictionary<string, LogLevel>)) return TryReadWord(type.IsEnum ? type : typeof(LogLevel), text, out value, out fault);
        if (type == typeof(ListenPort))
        {
            var fits = ListenPort.TryParse(text, out var port);
            value = port;
            fault = $"is a port: a number from 0 (any free one) to 65535, or \"off\", not '{text}'";
            return fits;
        }
        if (type == typeof(Uri))
        {
            var fits = Uri.TryCreate(text, UriKind.Absolute, out var uri);
            value = uri;
            fault = $"is an address such as https://chat.example.org, not '{text}'";
            return fits;
        }
        throw new InvalidOperationException($"settings of type {type} cannot be read"); // a programming fault: the schema test reads every key
    }

    private static bool TryReadBool(string text, out object? value, out string fault)
    {
        var fits = bool.TryParse(text, out var flag);
        value = flag;
        fault = $"is true or false, not '{text}'";
        return fits;
    }

    private bool TryReadInt(string text, out object? value, out string fault)
    {
        value = null;
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            fault = $"is a whole number, not '{text}'";
            return false;
        }
        var min = _bounds?.Min ?? int.MinValue;
        var max = _bounds?.Max ?? int.MaxValue;
        fault = string.Create(CultureInfo.InvariantCulture, $"is a number from {min} to {max}, not {number}");
        if (number < min || number > max) return false;
        value = (int)number;
        return true;
    }

    private static bool TryReadWord(Type type, string text, out object? value, out string fault)
    {
        var fits = Enum.TryParse(type, text, ignoreCase: true, out value) && Enum.IsDefined(type, value!) && char.IsLetter(text[0]);
        fault = $"is one of {string.Join(", ", Enum.GetValues(type).Cast<Enum>().Select(Word))}, not '{text}'";
        return fits;
    }

    private static string Word(Enum value) => Schema.Camel(value.ToString());
}

/// <summary>All settings, found by reflection over <see cref="ServerOptions"/> once.</summary>
internal static class Schema
{
    private static readonly Dictionary<string, SettingKey> ByPath = [];

    static Schema()
    {
        Collect(typeof(ServerOptions), "", []);
        Keys = [.. ByPath.Values];
        ByPath = new Dictionary<string, SettingKey>(ByPath, StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>Every setting, in the order of the declarations.</summary>
    public static IReadOnlyList<SettingKey> Keys { get; }

    /// <summary>The setting of a path, in any case; for a path below a map the map.</summary>
    public static SettingKey? Find(string path)
    {
        if (ByPath.TryGetValue(path, out var key)) return key;
        return Keys.FirstOrDefault(k => k.IsMap && path.StartsWith(k.Path + ".", StringComparison.OrdinalIgnoreCase) && path.Length > k.Path.Length + 1);
    }

    /// <summary>True for the name of a group, such as <c>limits</c>.</summary>
    public static bool IsGroup(string path) => Keys.Any(k => k.Path.StartsWith(path + ".", StringComparison.OrdinalIgnoreCase));

    /// <summary>The setting with the most similar name, if any is similar enough to be meant.</summary>
    public static string? Nearest(string path)
    {
        var best = Keys.Select(k => (k.Path, Distance: Distance(path, k.Path))).MinBy(p => p.Distance);
        if (best.Distance <= Math.Max(2, path.Length / 4)) return best.Path;
        // The right name in the wrong group, or without its group.
        var last = path[(path.LastIndexOf('.') + 1)..];
        var same = Keys.Where(k => k.Path[(k.Path.LastIndexOf('.') + 1)..].Equals(last, StringComparison.OrdinalIgnoreCase)).Take(2).ToArray();
        return same.Length == 1 ? same[0].Path : null;
    }

    /// <summary>Fresh options with the given values, defaults for the rest.</summary>
    public static ServerOptions Build(IEnumerable<KeyValuePair<SettingKey, object?>> values)
    {
        var options = new ServerOptions();
        foreach (var (key, value) in values) key.Put(options, value);
        return options;
    }

    /// <summary>Whether two sets of options have the same value.</summary>
    public static bool Same(SettingKey key, ServerOptions left, ServerOptions right) => (key.Of(left), key.Of(right)) switch
    {
        (IReadOnlyList<string> a, IReadOnlyList<string> b) => a.SequenceEqual(b),
        (IReadOnlyDictionary<string, LogLevel> a, IReadOnlyDictionary<string, LogLevel> b) => a.Count == b.Count && a.All(p => b.TryGetValue(p.Key, out var v) && v == p.Value),
        var (a, b) => Equals(a, b),
    };

    internal static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];

    private static void Collect(Type type, string prefix, PropertyInfo[] chain)
    {
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite))
        {
            var path = prefix + Camel(property.Name);
            PropertyInfo[] next = [.. chain, property];
            if (property.PropertyType.Namespace == typeof(ServerOptions).Namespace && property.PropertyType.IsClass) Collect(property.PropertyType, path + ".", next);
            else ByPath.Add(path, new SettingKey(path, next));
        }
    }

    /// <summary>Edit distance (Levenshtein), case ignored.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1;
                var next = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + cost);
                diagonal = row[j];
                row[j] = next;
            }
        }
        return row[b.Length];
    }
}
