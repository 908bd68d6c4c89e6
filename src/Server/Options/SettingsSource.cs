using System.Collections;

namespace Indaba.Server.Options;

/// <summary>What was read: the options, where each value came from, and one plain sentence for each mistake.</summary>
/// <param name="Options">The options; where there was a mistake the default stands.</param>
/// <param name="Origins">Setting path to origin, for settings that are not at their default.</param>
/// <param name="Mistakes">Empty when all is well.</param>
/// <param name="File">The settings file that is watched; it need not exist.</param>
internal sealed record LoadedSettings(ServerOptions Options, IReadOnlyDictionary<string, string> Origins, IReadOnlyList<string> Mistakes, string File)
{
    /// <summary>What is wrong with settings that all nodes share. They are left out then: another version may know them, and a node must start.</summary>
    public IReadOnlyList<string> SharedMistakes { get; init; } = [];
}

/// <summary>
/// Where settings come from, later over earlier: defaults, the database (what all nodes share), the file (<c>indaba.json</c> in the data folder, or
/// <c>--config FILE</c>, or <c>INDABA_CONFIG</c>), the environment (<c>INDABA_LIMITS__MAXSTANZABYTES</c>), the command line.
/// </summary>
internal sealed class SettingsSource
{
    public const string FileName = "indaba.json";
    /// <summary>The origin of a setting that all nodes share.</summary>
    public const string Database = "the database";
    private const string Prefix = "INDABA_";
    private const string ConfigVariable = "INDABA_CONFIG";
    private const string DataKey = "dataDirectory";

    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly IReadOnlyList<CommandLineSetting> _commandLine;
    private readonly string? _configFile;

    /// <param name="commandLine">In the order given; a later one wins.</param>
    /// <param name="configFile">From <c>--config</c>.</param>
    /// <param name="environment">Default: that of the process.</param>
    public SettingsSource(IReadOnlyList<CommandLineSetting>? commandLine = null, string? configFile = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        _environment = environment ?? ProcessEnvironment();
        _commandLine = commandLine ?? [];
        _configFile = configFile ?? _environment.GetValueOrDefault(ConfigVariable);
    }

    /// <summary>Reads all sources anew. Never throws: what is wrong is in <see cref="LoadedSettings.Mistakes"/>.</summary>
    /// <param name="shared">What the database says, by name.</param>
    public LoadedSettings Load(IReadOnlyDictionary<string, string>? shared = null)
    {
        var mistakes = new List<string>();
        var usable = new Dictionary<string, SettingValue>(StringComparer.OrdinalIgnoreCase);
        foreach (var (path, value) in shared ?? new Dictionary<string, string>())
        {
            if (SharedFault(path, value) is { } fault) mistakes.Add(fault);
            else usable[path] = new SettingValue([value], Database);
        }
        var loaded = Read(usable);
        if (usable.Count > 0 && loaded.Mistakes.Count > 0 && Read([]) is { Mistakes.Count: 0 } own)
            return own with { SharedMistakes = [.. mistakes, .. loaded.Mistakes] }; // right by itself, wrong with what this node has of its own
        return loaded with { SharedMistakes = mistakes };
    }

    /// <summary>Why a value cannot stand in the database, in a sentence, or null.</summary>
    public static string? SharedFault(string path, string value)
    {
        if (Schema.Find(path) is { } key && (key.IsOneNode || key.IsSecret))
            return $"'{key.Path}' cannot be set for all nodes: {(key.IsSecret ? "a secret does not belong in the database" : "each node has its own, in its file, environment or command line")}";
        var mistakes = new List<string>();
        Take(path, new SettingValue([value], Database), [], [], mistakes);
        return mistakes.FirstOrDefault();
    }

    private LoadedSettings Read(Dictionary<string, SettingValue> all)
    {
        var mistakes = new List<string>();
        var outside = new Dictionary<string, SettingValue>(StringComparer.OrdinalIgnoreCase);
        if (_environment.TryGetValue("STATE_DIRECTORY", out var state) && state.Length > 0)
            outside[DataKey] = new SettingValue([state.Split(':')[0]], "systemd's STATE_DIRECTORY");
        AddEnvironment(outside);
        foreach (var setting in _commandLine) outside[setting.Key] = new SettingValue([setting.Value], setting.Origin);

        var inFile = new Dictionary<string, SettingValue>(StringComparer.OrdinalIgnoreCase);
        var file = ReadFile(outside, inFile, mistakes);
        foreach (var (key, value) in inFile) all[key] = value;
        foreach (var (key, value) in outside) all[key] = value;

        var values = new Dictionary<SettingKey, object?>();
        var origins = new Dictionary<string, string>();
        foreach (var (path, value) in all) Take(path, value, values, origins, mistakes);
        var options = Schema.Build(values);
        options = options with { DataDirectory = Path.GetFullPath(options.DataDirectory), Domain = Validation.PrepareDomain(options.Domain, mistakes) };
        mistakes.AddRange(Validation.Check(options));
        return new LoadedSettings(options, origins, mistakes, file);
    }

    private string ReadFile(Dictionary<string, SettingValue> outside, Dictionary<string, SettingValue> all, List<string> mistakes)
    {
        if (_configFile is not null)
        {
            var named = Path.GetFullPath(_configFile);
            JsonSettings.Read(named, all, mistakes);
            // What a file says about folders is meant from where the file stands.
            Relocate(all, DataKey, named);
            Relocate(all, "certificate.path", named);
            Relocate(all, "certificate.keyPath", named);
            return named;
        }
        var folder = outside.TryGetValue(DataKey, out var data) ? data.Items[0] : new ServerOptions().DataDirectory;
        var file = Path.Combine(Path.GetFullPath(folder), FileName);
        if (!File.Exists(file)) return file;
        JsonSettings.Read(file, all, mistakes);
        Relocate(all, "certificate.path", file);
        Relocate(all, "certificate.keyPath", file);
        if (all.Remove(DataKey))
            mistakes.Add($"'{DataKey}' cannot stand in {file}, which is looked for in that very directory: use --data, INDABA_DATADIRECTORY, or --config {FileName}");
        return file;
    }

    private static void Relocate(Dictionary<string, SettingValue> found, string key, string file)
    {
        if (found.TryGetValue(key, out var value) && value.Items.Count == 1 && value.Items[0].Length > 0)
            found[key] = value with { Items = [Path.Combine(Path.GetDirectoryName(file)!, value.Items[0])] };
    }

    private void AddEnvironment(Dictionary<string, SettingValue> found)
    {
        foreach (var (name, value) in _environment)
        {
            if (!name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) || name.Equals(ConfigVariable, StringComparison.OrdinalIgnoreCase)) continue;
            found[name[Prefix.Length..].Replace("__", ".", StringComparison.Ordinal)] = new SettingValue([value], $"the environment variable {name}");
        }
    }

    private static void Take(string path, SettingValue value, Dictionary<SettingKey, object?> values, Dictionary<string, string> origins, List<string> mistakes)
    {
        var key = Schema.Find(path);
        if (key is null)
        {
            mistakes.Add(Unknown(path, value.Origin));
            return;
        }
        if (!key.TryRead(value.Items, out var read, out var fault))
        {
            mistakes.Add($"'{(key.IsMap ? path : key.Path)}' {fault} ({value.Origin})");
            return;
        }
        if (key.IsMap)
        {
            if (path.Length <= key.Path.Length + 1)
            {
                mistakes.Add($"'{key.Path}' takes names with a level each, such as {key.Path}.Orleans ({value.Origin})");
                return;
            }
            var map = (Dictionary<string, Microsoft.Extensions.Logging.LogLevel>)(values.TryGetValue(key, out var there) ? there! : values[key] = new Dictionary<string, Microsoft.Extensions.Logging.LogLevel>(StringComparer.OrdinalIgnoreCase));
            map[path[(key.Path.Length + 1)..]] = (Microsoft.Extensions.Logging.LogLevel)read!;
        }
        else
        {
            values[key] = read;
        }
        origins[key.Path] = value.Origin;
    }

    private static string Unknown(string path, string origin)
    {
        if (Schema.IsGroup(path)) return $"'{path}' is a group of settings, not one ({origin})";
        var nearest = Schema.Nearest(path);
        return nearest is null ? $"unknown setting '{path}' ({origin})" : $"unknown setting '{path}': did you mean '{nearest}'? ({origin})";
    }

    private static Dictionary<string, string> ProcessEnvironment() => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "", StringComparer.Ordinal);
}

/// <summary>A setting given on the command line.</summary>
/// <param name="Origin">The option as the user wrote it, for messages: <c>--domain</c>.</param>
internal sealed record CommandLineSetting(string Key, string Value, string Origin);
