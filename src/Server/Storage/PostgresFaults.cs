using System.Net.Sockets;
using Npgsql;

namespace Indaba.Server.Storage;

/// <summary>What an error of PostgreSQL means for the one that met it.</summary>
internal static class PostgresFaults
{
    /// <summary>The database is away, starting, full or out of connections: what was asked can be asked again later.</summary>
    public static bool IsOutage(Exception error) => error switch
    {
        // 08 connection, 53 resources (disk full, too many connections), 57 operator (shut down, starting), 58 its system's errors;
        // a database that is read-only is a standby that has not taken over yet.
        PostgresException refused => refused.SqlState[..2] is "08" or "53" or "57" or "58",
        NpgsqlException or IOException or SocketException or TimeoutException => true,
        _ => false,
    };

    /// <summary>It met another transaction and was undone: run again, it gets its turn.</summary>
    public static bool IsConflict(Exception error) =>
        error is PostgresException { SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.LockNotAvailable };

    /// <summary>A standby that has not taken over: an outage for whoever wants to write.</summary>
    public static bool IsReadOnly(Exception error) => error is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction };

    public static bool IsDuplicate(Exception error) => error is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation };

    /// <summary>The values themselves are refused, today and tomorrow: 22 data, 23 constraint, 54 limit of the program, or what cannot even be sent.</summary>
    public static bool IsRefusal(Exception error) => error switch
    {
        PostgresException refused => refused.SqlState[..2] is "22" or "23" or "54",
        ArgumentException or FormatException or InvalidCastException or OverflowException or NullReferenceException => true, // an unpaired surrogate, for one
        _ => false,
    };
}
