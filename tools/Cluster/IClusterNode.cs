namespace Indaba.Cluster;

/// <summary>One message server of a cluster under test: <see cref="ServerNode"/>, or a server of another make that the fault tool compares with.</summary>
internal interface IClusterNode
{
    /// <summary>What people call it: <c>node 1</c>.</summary>
    string Name { get; }
    /// <summary>True while there is a process.</summary>
    bool IsRunning { get; }
    /// <summary>Starts it, unless it runs, and waits until it serves.</summary>
    Task Start();
    /// <summary>SIGKILL; it stays down until it is started.</summary>
    Task Kill();
    /// <summary>SIGTERM; it stays down until it is started.</summary>
    Task Stop();
    /// <summary>SIGSTOP.</summary>
    void Freeze();
    /// <summary>SIGCONT.</summary>
    void Thaw();
}
