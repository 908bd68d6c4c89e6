namespace Indaba.Kill;

/// <summary>What one device of the receiver showed, in order, each stanza-id once.</summary>
/// <param name="name">The device: its resource.</param>
/// <param name="isSteady">False when the device comes and goes by itself, so that nobody waits for it.</param>
internal sealed class Screen(string name, bool isSteady)
{
    private readonly Lock _lock = new();
    private readonly List<Sighting> _shown = [];
    private readonly HashSet<string> _stanzaIds = [];
    private readonly HashSet<int> _numbers = [];

    /// <summary>The device's name.</summary>
    public string Name => name;
    /// <summary>False when the device comes and goes by itself.</summary>
    public bool IsSteady => isSteady;
    /// <summary>Copies that it recognised by their stanza-id and did not show.</summary>
    public int Dropped { get; private set; }
    /// <summary>Messages that came again at a new login after the device had acknowledged everything and logged out.</summary>
    public int Repeated { get; set; }

    /// <summary>What it showed, in order.</summary>
    public IReadOnlyList<Sighting> Shown
    {
        get { lock (_lock) return [.. _shown]; }
    }

    /// <summary>How many different messages it showed.</summary>
    public int Count
    {
        get { lock (_lock) return _numbers.Count; }
    }

    /// <summary>The last stanza-id shown: where the archive is asked to begin.</summary>
    public string? LastStanzaId
    {
        get { lock (_lock) return _shown.LastOrDefault(s => s.StanzaId is not null).StanzaId; }
    }

    /// <summary>A message came: it is shown, unless its stanza-id is known. True when it was shown.</summary>
    public bool Show(Sighting seen)
    {
        lock (_lock)
        {
            if (seen.StanzaId is not null && !_stanzaIds.Add(seen.StanzaId))
            {
                Dropped++;
                return false;
            }
            _shown.Add(seen);
            _numbers.Add(seen.Number);
            return true;
        }
    }
}
