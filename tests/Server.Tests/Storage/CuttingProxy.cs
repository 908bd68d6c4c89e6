using System.Net;
using System.Net.Sockets;

namespace Indaba.Server.Tests.Storage;

/// <summary>
/// Stands between a client and a server and, when told to, lets a question through and cuts the connection in place of the answer: the
/// server has done what it was asked, and the client will never hear of it.
/// </summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly IPEndPoint _server;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private int _answersLeft = int.MinValue, _cuts;

    public CuttingProxy(IPEndPoint server)
    {
        _server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections that were cut.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

    /// <summary>Cuts the connection on which the next answer but so many would come.</summary>
    public void CutAfter(int answers) => Volatile.Write(ref _answersLeft, answers);

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // the end
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var server = new TcpClient();
        using (client)
        {
            try
            {
                client.NoDelay = server.NoDelay = true;
                await server.ConnectAsync(_server, _stop.Token);
                await Task.WhenAny(PassAsync(client, server, answers: false), PassAsync(server, client, answers: true));
            }
            catch (Exception error) when (error is OperationCanceledException or SocketException or IOException)
            {
                // the end of this one
            }
        }
    }

    private async Task PassAsync(TcpClient from, TcpClient to, bool answers)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, _stop.Token) is > 0 and var count)
            {
                if (answers && Interlocked.Decrement(ref _answersLeft) == -1)
                {
                    Interlocked.Increment(ref _cuts);
                    return;
                }
                await to.GetStream().WriteAsync(buffer.AsMemory(0, count), _stop.Token);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            // the other side has ended
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }
}
