using Npgsql;

namespace Indaba.Faults;

/// <summary>Takes every connection that the database has to give, and each one that becomes free.</summary>
internal sealed class ConnectionHog : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<NpgsqlConnection> _held = [];
    private readonly Task _work;

    private ConnectionHog(string connectionString) => _work = Work($"{connectionString};Pooling=false;Timeout=5;Application Name=hog");

    /// <summary>How many it holds.</summary>
    public int Held { get { lock (_held) return _held.Count; } }

    /// <summary>Begins.</summary>
    public static ConnectionHog Start(string connectionString) => new(connectionString);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work;
        foreach (var c in _held) await c.DisposeAsync();
    }

    private async Task Work(string connectionString)
    {
        while (!_stop.IsCancellationRequested)
        {
            var connection = new NpgsqlConnection(connectionString);
            try
            {
                await connection.OpenAsync(_stop.Token);
                lock (_held) _held.Add(connection);
                continue;
            }
            catch (Exception e) when (e is NpgsqlException or OperationCanceledException or TimeoutException)
            {
                await connection.DisposeAsync(); // none left: wait for one
            }
            await Task.Delay(20, CancellationToken.None);
        }
    }
}
