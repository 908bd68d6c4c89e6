namespace Indaba.Server.Storage;

/// <summary>The data cannot be opened or used. The message is a plain sentence for the operator.</summary>
internal sealed class StorageException : Exception
{
    public StorageException(string message) : base(message) { }
    public StorageException(string message, Exception inner) : base(message, inner) { }
}
