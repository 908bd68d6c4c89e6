using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Text;
using Indaba.Server.Options;

namespace Indaba.Server.Telemetry;

/// <summary>
/// Collects the instruments of some meters and writes them in the Prometheus text format 0.0.4. Own code because the
/// OpenTelemetry exporter for it has no stable version.
/// </summary>
internal sealed class PrometheusExporter : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";
    private static readonly string[] Meters = ["Indaba", "System.Runtime", "Microsoft.AspNetCore.Server.Kestrel", "Npgsql"];

    private readonly ConcurrentDictionary<Instrument, MetricFamily> _families = new();
    private readonly Lock _scraping = new();
    private readonly MeterListener _listener = new();

    /// <param name="factory">Only meters of this factory (and those of no factory) are collected: several servers may live in one process, in tests.</param>
    public PrometheusExporter(IMeterFactory? factory = null)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            var meter = instrument.Meter;
            if (!(Meters.Contains(meter.Name) || meter.Name.StartsWith("Indaba.", StringComparison.Ordinal)) || (factory is not null && meter.Scope is not null && !ReferenceEquals(meter.Scope, factory))) return;
            listener.EnableMeasurementEvents(instrument, _families.GetOrAdd(instrument, static i => new MetricFamily(i)));
        };
        _listener.SetMeasurementEventCallback<byte>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<short>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<float>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<decimal>(static (_, value, tags, family) => ((MetricFamily)family!).Record((double)value, tags));
        _listener.Start();
    }

    /// <summary>All values now.</summary>
    public string Scrape()
    {
        lock (_scraping)
        {
            foreach (var family in _families.Values) family.BeginScrape();
            _listener.RecordObservableInstruments();
            var text = new StringBuilder(16 * 1024);
            var written = new HashSet<string>();
            foreach (var family in _families.Values.OrderBy(f => f.Name, StringComparer.Ordinal))
            {
                if (written.Add(family.Name)) family.Write(text); // a name twice would make the whole page invalid
            }
            return text.ToString();
        }
    }

    /// <summary><c>/metrics</c> for the clients that the settings name, while it is switched on; for others it does not exist.</summary>
    public void Map(IEndpointRouteBuilder app, Func<HttpOptions> options) => app.MapGet("/metrics", (HttpContext http) =>
        options() is { Metrics: true } now && http.Connection.RemoteIpAddress is { } address && MayScrape(now.MetricsFrom, address)
            ? Results.Text(Scrape(), ContentType)
            : Results.NotFound());

    internal static bool MayScrape(IReadOnlyList<string> from, IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        return from.Any(item => IPAddress.TryParse(item, out var one) ? one.Equals(address) : IPNetwork.TryParse(item, out var network) && network.Contains(address));
    }

    public void Dispose() => _listener.Dispose();
}
