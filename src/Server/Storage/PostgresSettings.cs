namespace Indaba.Server.Storage;

/// <summary>How this node uses its PostgreSQL. The defaults and their reasons stand with the server's options.</summary>
internal sealed record PostgresSettings(string ConnectionString)
{
    /// <summary>Queries at a time.</summary>
    public int ReadConnections { get; init; } = 8;
    /// <summary>Jobs at a time.</summary>
    public int JobConnections { get; init; } = 4;
    /// <summary>Writers of the log.</summary>
    public int LogWriters { get; init; } = 2;
    /// <summary>
    /// A statement that takes longer is taken for lost, and its connection with it: a frozen database never answers. 15 s is more than
    /// a slow disk takes for a commit, and less than TCP may wait before it tries again after a network was cut.
    /// </summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(15);
}
