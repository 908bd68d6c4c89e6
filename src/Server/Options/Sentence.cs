using System.Net.Sockets;

namespace Indaba.Server.Options;

/// <summary>What an exception of the operating system means, in words for the person who started the server.</summary>
internal static class Sentence
{
    public static string Of(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "it does not exist",
        UnauthorizedAccessException => $"the user {Environment.UserName} may not",
        SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse } => "another program has it",
        SocketException { SocketErrorCode: SocketError.AccessDenied } => $"the user {Environment.UserName} may not (ports below 1024 need privileges)",
        SocketException { SocketErrorCode: SocketError.AddressNotAvailable } => "this machine does not have that address",
        _ => e.Message.TrimEnd('.'),
    };
}
