using System.Diagnostics.Metrics;
using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Indaba.Server.Tests.Storage;

/// <summary>A real database in a folder of its own, that can be closed and opened again.</summary>
internal sealed class TestData : IMeterFactory, IAsyncDisposable
{
    /// <summary>How long a test waits for what must come.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("indaba-").FullName;
    private Meter? _meter;
    private MailboxLog? _log;
    private Database? _database;

    private readonly Store _store;
    private string? _connectionString;

    private TestData(Store store) => _store = store;

    public ManualTime Time { get; } = new();
    public string File => Path.Combine(_folder, "indaba.db");
    /// <summary>What names the data to <see cref="OpenDatabaseAsync"/>.</summary>
    public string Place => _connectionString ?? File;
    public Database Database => _database ?? throw new InvalidOperationException("closed");
    public MailboxLog Log => _log ?? throw new InvalidOperationException("closed");
    public AccountStore Accounts => new(Database);

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Data that is open.</summary>
    public static async Task<TestData> NewAsync(Store store = Store.Sqlite)
    {
        var data = new TestData(store);
        if (store == Store.Postgres) data._connectionString = await PostgresFixture.NewDatabaseAsync();
        await data.OpenAsync();
        // So that tests can append to any account; claiming has tests of its own.
        if (store == Store.Postgres) await PostgresFixture.ExecuteAsync(data.Place, "INSERT INTO log_head SELECT g, 0, 0, 0, 0 FROM generate_series(1, 5000) AS g");
        return data;
    }

    /// <summary>An empty folder.</summary>
    public static TestData Closed(Store store) => new(store);

    public async Task OpenAsync()
    {
        _database = await OpenDatabaseAsync(Place, Time, TestLog.Factory, Cancel, this);
        _log = await MailboxLog.OpenAsync(_database, TestLog.Factory, Cancel);
    }

    /// <summary>Opens what <see cref="Place"/> names.</summary>
    public static async Task<Database> OpenDatabaseAsync(string place, TimeProvider time, Microsoft.Extensions.Logging.ILoggerFactory logs, CancellationToken cancel, IMeterFactory? meters = null) =>
        place.StartsWith("Host=", StringComparison.Ordinal)
            ? await PostgresDatabase.OpenAsync(new PostgresSettings(place), time, logs, meters, cancel)
            : await SqliteDatabase.OpenAsync(place, time, logs, meters, cancel);

    public async Task CloseAsync()
    {
        if (_log is not null) await _log.DisposeAsync();
        if (_database is not null) await _database.DisposeAsync();
        (_log, _database) = (null, null);
    }

    public async Task ReopenAsync()
    {
        await CloseAsync();
        await OpenAsync();
    }

    public async Task<long> NewAccountAsync(string local = "juliet") =>
        (await Accounts.CreateAsync(local, "example.org", Role.User, [], Cancel) ?? throw new InvalidOperationException("taken")).Id;

    /// <summary>One number out of what is committed.</summary>
    public Task<long> NumberAsync(string sql) => Database.ReadAsync(connection => connection.Number(sql) ?? 0, Cancel);

    /// <summary>Holds the writer up until disposed, so that what is queued meanwhile shares a batch.</summary>
    public async Task<IDisposable> HoldWriterAsync()
    {
        if (_store == Store.Postgres) return new MemoryStream(); // jobs run side by side there
        var hold = new Hold();
        hold.Job = Database.WriteAsync(_ => hold.Run(), Cancel);
        await hold.Running.WaitAsync(Limit, Cancel);
        return hold;
    }

    /// <summary>Sums up a counter while a test runs.</summary>
    public Counted Count(string instrument) => new(_meter!, instrument);

    Meter IMeterFactory.Create(MeterOptions options) => _meter = new Meter(options);

    void IDisposable.Dispose() => _meter?.Dispose();

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class Hold : IDisposable
    {
        private readonly TaskCompletionSource _running = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _release = new();

        public Task Running => _running.Task;
        public Task? Job { get; set; }

        public bool Run()
        {
            _running.SetResult();
            return _release.Wait(Limit);
        }

        public void Dispose() => _release.Set();
    }

    internal sealed class Counted : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long _sum;

        public Counted(Meter meter, string name)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (ReferenceEquals(instrument.Meter, meter) && instrument.Name == name) listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref _sum, value));
            _listener.Start();
        }

        public long Sum => Interlocked.Read(ref _sum);

        public void Dispose() => _listener.Dispose();
    }
}
