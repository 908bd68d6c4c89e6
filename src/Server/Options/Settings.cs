using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Indaba.Server.Options;

/// <summary>A change while running.</summary>
/// <param name="Keys">The settings that are different now.</param>
internal sealed record SettingsChange(ServerOptions Old, ServerOptions New, IReadOnlyList<SettingKey> Keys);

/// <summary>What a reload did.</summary>
/// <param name="Mistakes">Not empty: nothing was changed.</param>
/// <param name="Changed">Settings with a new value in force.</param>
/// <param name="Waiting">Settings whose new value waits for the next start.</param>
internal sealed record Reloaded(IReadOnlyList<string> Mistakes, IReadOnlyList<string> Changed, IReadOnlyList<string> Waiting);

/// <summary>
/// The settings in force. Read <see cref="Current"/> at each use; it is one volatile read. What needs a restart
/// (<see cref="RestartAttribute"/>) keeps the value of the start in <see cref="Current"/>, whatever the file says.
/// </summary>
internal sealed partial class Settings
{
    private readonly SettingsSource? _source;
    private readonly Lock _reloading = new();
    private readonly HashSet<string> _announced = [];
    private IReadOnlyDictionary<string, string> _shared = new Dictionary<string, string>();
    private string _sharedMistakes = "";
    private ServerOptions _current;

    public Settings(SettingsSource source, LoadedSettings loaded)
    {
        _source = source;
        _current = loaded.Options;
        File = loaded.File;
    }

    /// <summary>Settings that never change: for what runs without a file.</summary>
    public Settings(ServerOptions options) => _current = options;

    /// <summary>The options in force.</summary>
    public ServerOptions Current => Volatile.Read(ref _current);

    /// <summary>The settings file, which need not exist; null when the options are fixed.</summary>
    public string? File { get; }

    /// <summary>Raised after <see cref="Current"/> has changed, one call at a time. A handler that throws is logged; the others still run.</summary>
    public event Action<SettingsChange>? Changed;

    /// <summary>Reads all sources again. With any mistake nothing changes, and a warning says why.</summary>
    public Reloaded Reload(ILogger? log = null)
    {
        log ??= NullLogger.Instance;
        if (_source is null) return new Reloaded([], [], []);
        lock (_reloading)
        {
            var loaded = _source.Load(_shared);
            TellShared(loaded, log);
            if (loaded.Mistakes.Count > 0)
            {
                LogRefused(log, string.Join("; ", loaded.Mistakes));
                return new Reloaded(loaded.Mistakes, [], []);
            }
            return Take(loaded.Options, log);
        }
    }

    /// <summary>
    /// What the database says for all nodes, at the start: nothing has looked at the settings yet, so what needs a
    /// restart is taken too.
    /// </summary>
    public void Begin(IReadOnlyDictionary<string, string> shared, ILogger log)
    {
        if (_source is null) return;
        lock (_reloading)
        {
            _shared = shared;
            var loaded = _source.Load(shared);
            TellShared(loaded, log);
            if (loaded.Mistakes.Count == 0) Volatile.Write(ref _current, loaded.Options);
        }
    }

    /// <summary>What the database says for all nodes, while running.</summary>
    public Reloaded Share(IReadOnlyDictionary<string, string> shared, ILogger log)
    {
        lock (_reloading)
        {
            _shared = shared;
            return Reload(log);
        }
    }

    /// <summary>What would be read if the database said this; changes nothing. Null when the options are fixed.</summary>
    public LoadedSettings? Try(IReadOnlyDictionary<string, string> shared)
    {
        lock (_reloading) return _source?.Load(shared);
    }

    /// <summary>All sources as they are now, what waits for a restart included. Null when the options are fixed.</summary>
    public LoadedSettings? Wanted => Try(_shared);

    private void TellShared(LoadedSettings loaded, ILogger log)
    {
        var mistakes = string.Join("; ", loaded.SharedMistakes);
        if (mistakes.Length > 0 && mistakes != _sharedMistakes) LogSharedRefused(log, mistakes);
        _sharedMistakes = mistakes;
    }

    private Reloaded Take(ServerOptions wanted, ILogger log)
    {
        var old = _current;
        var different = Schema.Keys.Where(k => !Schema.Same(k, old, wanted)).ToArray();
        var waiting = different.Where(k => k.NeedsRestart).ToArray();
        // Built anew rather than edited: records of the old options may be in use.
        var next = Schema.Build(Schema.Keys.Select(k => KeyValuePair.Create(k, k.Of(k.NeedsRestart ? old : wanted))));
        var changed = different.Except(waiting).ToArray();
        _announced.IntersectWith(waiting.Select(k => k.Path));
        foreach (var key in waiting.Where(k => _announced.Add(k.Path))) LogWaiting(log, key.Path, key.Show(wanted));
        if (changed.Length > 0)
        {
            Volatile.Write(ref _current, next);
            LogChanged(log, string.Join(", ", changed.Select(k => $"{k.Path} = {k.Show(next)}")));
            Announce(new SettingsChange(old, next, changed), log);
        }
        return new Reloaded([], [.. changed.Select(k => k.Path)], [.. waiting.Select(k => k.Path)]);
    }

    private void Announce(SettingsChange change, ILogger log)
    {
        foreach (var handler in Changed?.GetInvocationList().Cast<Action<SettingsChange>>() ?? [])
        {
            try
            {
                handler(change);
            }
            catch (Exception e)
            {
                LogHandlerFailed(log, e);
            }
        }
    }

    [LoggerMessage(1000, LogLevel.Warning, "The settings were not reloaded, the old ones stay in force: {Mistakes}")]
    private static partial void LogRefused(ILogger log, string mistakes);

    [LoggerMessage(1001, LogLevel.Information, "Settings changed: {Changes}")]
    private static partial void LogChanged(ILogger log, string changes);

    [LoggerMessage(1002, LogLevel.Warning, "{Key} = {Value} takes effect at the next start")]
    private static partial void LogWaiting(ILogger log, string key, string value);

    [LoggerMessage(1004, LogLevel.Warning, "Settings of the database are left out on this node: {Mistakes}")]
    private static partial void LogSharedRefused(ILogger log, string mistakes);

    [LoggerMessage(1003, LogLevel.Error, "A part of the server could not take the new settings")]
    private static partial void LogHandlerFailed(ILogger log, Exception error);
}
