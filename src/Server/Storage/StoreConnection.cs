using System.Data.Common;

namespace Indaba.Server.Storage;

/// <summary>
/// A connection that keeps what it prepared: every SQL text in this server is a constant, so what is kept is bounded by
/// the source code. Used by one thread at a time. The stores speak to it through <see cref="Sql"/>.
/// </summary>
internal abstract class StoreConnection : IDisposable
{
    /// <summary>The words of this database.</summary>
    public abstract Dialect Dialect { get; }

    /// <summary>A command of this text with these parameters; valid until the next call.</summary>
    public abstract DbCommand Command(string sql, ReadOnlySpan<(string Name, object? Value)> arguments);

    public abstract void Dispose();
}
