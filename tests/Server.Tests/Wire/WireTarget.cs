using System.Net;

namespace Indaba.Server.Tests.Wire;

/// <summary>Where clients connect: a server of the test's own (<see cref="TestServer"/>), or a load balancer with servers behind it.</summary>
internal abstract class WireTarget
{
    /// <summary>The domain served.</summary>
    public string Domain { get; init; } = "localhost";
    /// <summary>The address that listens.</summary>
    public virtual IPAddress Address => IPAddress.Loopback;
    /// <summary>The address that connections come from, or null for the system's choice.</summary>
    public virtual IPAddress? Source => null;
    /// <summary>What is sent before anything else on each connection: the PROXY header where a test stands in for the balancer.</summary>
    public virtual ReadOnlyMemory<byte> Preamble => default;
    /// <summary>The port of plain TCP and STARTTLS.</summary>
    public abstract int C2sPort { get; }
    /// <summary>The port of direct TLS.</summary>
    public abstract int TlsPort { get; }
    /// <summary>Where WebSockets are opened.</summary>
    public abstract Uri WebSocketUrl { get; }
}
