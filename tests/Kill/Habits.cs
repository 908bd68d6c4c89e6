using Indaba.Server.Tests.Wire;

namespace Indaba.Kill;

/// <summary>How a device comes back after a break.</summary>
internal enum Return
{
    /// <summary>Resumes its stream (XEP-0198), and binds when that is refused.</summary>
    Resumes,
    /// <summary>Always logs in anew.</summary>
    LogsIn,
    /// <summary>Both in one round trip: SASL2 with inline resumption and Bind 2 (XEP-0388, XEP-0386).</summary>
    InOneRoundTrip,
}

/// <summary>What a device is like.</summary>
internal sealed record Habits
{
    /// <summary>How it comes back.</summary>
    public Return Return { get; init; }
    /// <summary>How it connects.</summary>
    public Transport Transport { get; init; } = Transport.Plain;
    /// <summary>Its resource, or the tag of Bind 2.</summary>
    public string Name { get; init; } = "device";
    /// <summary>The installation, for <see cref="Return.InOneRoundTrip"/>.</summary>
    public Guid Installation { get; init; } = Guid.NewGuid();
    /// <summary>Asks the archive for what it missed. Whoever binds with Bind 2 must: nothing archived is pushed to it.</summary>
    public bool ReadsArchive { get; init; }
    /// <summary>Goes away for a while and comes back, again and again.</summary>
    public bool ComesAndGoes { get; init; }
    /// <summary>Gives a connection up on which nothing has come for this long although it was asked for; null waits for the connection to break.</summary>
    public TimeSpan? Silence { get; init; }
    /// <summary>The pause before the first attempt to come back; it doubles from attempt to attempt up to <see cref="LongestPause"/>.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(40);
    /// <summary>The longest pause.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromMilliseconds(40);
}
