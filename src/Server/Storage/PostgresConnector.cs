using System.Security.Cryptography;
using Npgsql;

namespace Indaba.Server.Storage;

/// <summary>What a connection is for. Each kind has its own bounded number, so that none can take the others' place.</summary>
internal enum ConnectionKind { Reads, Jobs, Log, Side }

/// <summary>Opens connections to PostgreSQL, set up for what they are for.</summary>
internal sealed class PostgresConnector : IDisposable
{
    private const int ConnectSeconds = 5;

    private readonly NpgsqlDataSource[] _sources;

    /// <exception cref="StorageException">The text is no connection string.</exception>
    public PostgresConnector(PostgresSettings settings)
    {
        NodeKey = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8)) & long.MaxValue;
        NpgsqlConnectionStringBuilder text;
        try
        {
            text = new NpgsqlConnectionStringBuilder(settings.ConnectionString);
        }
        catch (Exception error) when (error is ArgumentException or FormatException or KeyNotFoundException or InvalidCastException or OverflowException)
        {
            throw new StorageException($"The setting database.postgreSql is no connection string of PostgreSQL: {error.Message}", error);
        }
        if (string.IsNullOrEmpty(text.Host)) throw new StorageException("The setting database.postgreSql names no server: it needs Host=...");
        Place = $"{text.Database ?? text.Username} at {text.Host}:{text.Port}";
        _sources = [.. Enum.GetValues<ConnectionKind>().Select(kind => Source(text, kind, settings.CommandTimeout))];
    }

    /// <summary>What names this process in the database: random, so that it is another one after every start.</summary>
    public long NodeKey { get; }

    /// <summary>Database and server, for people.</summary>
    public string Place { get; }

    /// <summary>What the server's views call the connections of a kind.</summary>
    public string ApplicationName(ConnectionKind kind) =>
        kind == ConnectionKind.Log ? $"indaba-{NodeKey}" : $"indaba-{NodeKey}-{(kind == ConnectionKind.Reads ? "reads" : kind == ConnectionKind.Jobs ? "jobs" : "side")}";

    /// <summary>Opens one, on the caller's thread.</summary>
    public NpgsqlConnection Open(ConnectionKind kind) => _sources[(int)kind].OpenConnection();

    /// <summary>
    /// Makes sure that the server's process behind a connection that broke is gone, and with it whatever it was still doing: only then
    /// is it decided what was committed. True when it is.
    /// </summary>
    public bool EndFormer(NpgsqlConnection connection, int processId, ConnectionKind kind)
    {
        using var command = new NpgsqlCommand("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid = $1 AND application_name = $2 AND pid <> pg_backend_pid()", connection)
        {
            Parameters = { new NpgsqlParameter<int> { TypedValue = processId }, new NpgsqlParameter<string> { TypedValue = ApplicationName(kind) } },
        };
        return command.ExecuteScalar() is null or true;
    }

    public void Dispose()
    {
        foreach (var source in _sources) source.Dispose();
    }

    private NpgsqlDataSource Source(NpgsqlConnectionStringBuilder given, ConnectionKind kind, TimeSpan commandTimeout)
    {
        // Whatever the server's defaults are, a commit waits for the disk: an ack hangs on it. And the server must notice within a
        // minute when this node is cut off, or what it keeps for lost connections adds up to its limit.
        var options = "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed"
            + " -c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c tcp_user_timeout=45000" + kind switch
        {
            ConnectionKind.Reads => " -c default_transaction_read_only=on",
            // A serializable transaction that has read a small table from end to end is in the way of every other one. Who waits a second
            // for a lock waits for somebody frozen or cut off: a job tries again, a claim ends the other's connection.
            ConnectionKind.Jobs => " -c enable_seqscan=off -c lock_timeout=1000",
            _ => "",
        };
        var text = new NpgsqlConnectionStringBuilder(given.ConnectionString)
        {
            Pooling = false, // the threads keep theirs
            Enlist = false,
            ApplicationName = ApplicationName(kind),
            Options = given.Options is { Length: > 0 } own ? own + " " + options : options,
            Timeout = ConnectSeconds,
            CommandTimeout = (int)commandTimeout.TotalSeconds,
            MaxAutoPrepare = kind is ConnectionKind.Reads or ConnectionKind.Jobs ? 256 : 0, // the others prepare by themselves
            AutoPrepareMinUsages = 2,
            TcpKeepAlive = true,
            TcpKeepAliveTime = 20,
            TcpKeepAliveInterval = 10,
        };
        if (text.Host!.Contains(',', StringComparison.Ordinal) && string.IsNullOrEmpty(given.TargetSessionAttributes)) text.TargetSessionAttributes = "read-write";
        return new NpgsqlDataSourceBuilder(text.ConnectionString).Build();
    }
}
