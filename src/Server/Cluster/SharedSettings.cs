using Indaba.Server.Options;
using Indaba.Server.Storage;

namespace Indaba.Server.Cluster;

/// <summary>What became of a change on this node.</summary>
/// <param name="Mistakes">Not empty: nothing was stored.</param>
/// <param name="Value">The value that this node has, or will have after its next start.</param>
/// <param name="Waits">True when it takes effect at the next start.</param>
/// <param name="Origin">Where this node's value comes from; not the database when the node has one of its own.</param>
internal sealed record SharedChange(IReadOnlyList<string> Mistakes, string Value, bool Waits, string Origin);

/// <summary>The settings that stand in the database and hold for all nodes: read at the start, looked for anew now and then, changed by the operator.</summary>
internal sealed partial class SharedSettings(SettingStore store, Settings settings, TimeProvider time, ILogger log) : IDisposable
{
    private const int MaxValue = 4_096;
    private readonly SemaphoreSlim _changing = new(1, 1);
    private long _version;

    /// <summary>Reads them before anything looks at the settings.</summary>
    public async Task BeginAsync(CancellationToken cancel)
    {
        var (version, rows) = await store.ListAsync(cancel).ConfigureAwait(false);
        settings.Begin(ByName(rows), log);
        _version = version;
    }

    /// <summary>Takes over what another node has changed.</summary>
    public async Task PollAsync(CancellationToken cancel)
    {
        if (await store.VersionAsync(cancel).ConfigureAwait(false) == Volatile.Read(ref _version)) return;
        await TakeAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>What is stored.</summary>
    public async Task<IReadOnlyList<StoredSetting>> ListAsync(CancellationToken cancel) => (await store.ListAsync(cancel).ConfigureAwait(false)).Settings;

    /// <summary>Checks a value against all that this node knows, stores it, and puts it in force here; the other nodes follow.</summary>
    public async Task<SharedChange> SetAsync(string name, string value, string by, CancellationToken cancel)
    {
        if (value.Length > MaxValue) return Refused($"a value has {MaxValue} characters at most");
        if (SettingsSource.SharedFault(name, value) is { } fault) return Refused(fault);
        await _changing.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            name = Canonical(name);
            var wanted = ByName(await ListAsync(cancel).ConfigureAwait(false));
            wanted[name] = value;
            if (settings.Try(wanted) is { } loaded && Mistakes(loaded) is { Count: > 0 } mistakes) return new SharedChange(mistakes, "", false, "");
            await store.SetAsync(new StoredSetting(name, value, time.GetUtcNow(), by), cancel).ConfigureAwait(false);
            await TakeAsync(cancel).ConfigureAwait(false);
            LogSet(log, name, value, by);
            return Outcome(name);
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Removes a setting from the database; null when it does not stand there.</summary>
    public async Task<SharedChange?> UnsetAsync(string name, string by, CancellationToken cancel)
    {
        name = Canonical(name);
        if (!await store.UnsetAsync(name, cancel).ConfigureAwait(false)) return null;
        await TakeAsync(cancel).ConfigureAwait(false);
        LogUnset(log, name, by);
        return Schema.Find(name) is null ? new SharedChange([], "", false, "default") : Outcome(name);
    }

    public void Dispose() => _changing.Dispose();

    private async Task TakeAsync(CancellationToken cancel)
    {
        var (version, rows) = await store.ListAsync(cancel).ConfigureAwait(false);
        settings.Share(ByName(rows), log);
        Volatile.Write(ref _version, version);
    }

    private SharedChange Outcome(string name)
    {
        var key = Schema.Find(name)!;
        var wanted = settings.Wanted;
        return new SharedChange([], key.Show(wanted?.Options ?? settings.Current), key.NeedsRestart, wanted?.Origins.GetValueOrDefault(key.Path, "default") ?? "fixed options");
    }

    private static SharedChange Refused(string sentence) => new([sentence], "", false, "");

    private static IReadOnlyList<string> Mistakes(LoadedSettings loaded) => loaded.SharedMistakes.Count > 0 ? loaded.SharedMistakes : loaded.Mistakes;

    // "LIMITS.maxdepth" is stored as "limits.maxDepth"; the names below a map are the user's own.
    private static string Canonical(string name) => Schema.Find(name) is not { } key ? name : key.IsMap ? key.Path + name[key.Path.Length..] : key.Path;

    private static Dictionary<string, string> ByName(IEnumerable<StoredSetting> rows) => rows.ToDictionary(r => r.Name, r => r.Value, StringComparer.OrdinalIgnoreCase);

    [LoggerMessage(2010, LogLevel.Information, "{Name} = {Value} for all nodes, set by {By}")]
    private static partial void LogSet(ILogger log, string name, string value, string by);

    [LoggerMessage(2011, LogLevel.Information, "{Name} is not set for all nodes any more, by {By}")]
    private static partial void LogUnset(ILogger log, string name, string by);
}
