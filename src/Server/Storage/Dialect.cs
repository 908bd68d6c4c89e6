namespace Indaba.Server.Storage;

/// <summary>
/// All in which the SQL of the two databases differs by a word. The stores and migrations keep to what both understand and
/// take the rest from here.
/// </summary>
internal sealed record Dialect
{
    public static readonly Dialect Sqlite = new()
    {
        Identity = "INTEGER PRIMARY KEY AUTOINCREMENT", Long = "INTEGER", Text = "TEXT", Bytes = "BLOB", Clustered = " WITHOUT ROWID",
    };

    public static readonly Dialect Postgres = new()
    {
        // Bytes decide the order of texts, as in SQLite: pages by key come the same on both, whatever the locale of the server.
        Identity = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", Long = "BIGINT", Text = "TEXT COLLATE \"C\"", Bytes = "BYTEA", Clustered = "",
    };

    private Dialect() { }

    public bool IsPostgres => ReferenceEquals(this, Postgres);

    /// <summary>A key that the database gives and never gives again.</summary>
    public required string Identity { get; init; }
    /// <summary>A 64-bit integer. As a lone primary key SQLite's exact word makes it the rowid, so a table in that order.</summary>
    public required string Long { get; init; }
    public required string Text { get; init; }
    public required string Bytes { get; init; }
    /// <summary>Ends a table whose rows lie in the order of its primary key: no second b-tree. PostgreSQL has none such.</summary>
    public required string Clustered { get; init; }
}
