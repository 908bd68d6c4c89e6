using System.Diagnostics.Metrics;
using Indaba.Server.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Indaba.Server.Tests.Telemetry;

public sealed class PrometheusTests : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly PrometheusExporter _exporter;
    private readonly Meter _meter;

    public PrometheusTests()
    {
        var factory = _services.GetRequiredService<IMeterFactory>();
        _exporter = new PrometheusExporter(factory);
        _meter = factory.Create("Indaba");
    }

    public void Dispose()
    {
        _exporter.Dispose();
        _services.Dispose();
    }

    private string[] Lines(string name) => [.. _exporter.Scrape().Split('\n').Where(l => l.Contains(name, StringComparison.Ordinal))];

    [Fact]
    public void Counters_add_up_by_tags()
    {
        var counter = _meter.CreateCounter<long>("test.logins", "{login}", "Logins that \\ succeeded");
        counter.Add(2, new KeyValuePair<string, object?>("mechanism", "PLAIN"));
        counter.Add(3, new KeyValuePair<string, object?>("mechanism", "odd\"one\n"));
        counter.Add(4, new KeyValuePair<string, object?>("mechanism", "PLAIN"));
        Assert.Equal(
            [
                "# HELP test_logins_total Logins that \\\\ succeeded", "# TYPE test_logins_total counter",
                "test_logins_total{mechanism=\"PLAIN\"} 6", "test_logins_total{mechanism=\"odd\\\"one\\n\"} 3",
            ], Lines("test_logins"));
    }

    [Fact]
    public void Gauges_have_the_value_of_now_and_vanish_with_what_they_observed()
    {
        var open = _meter.CreateUpDownCounter<int>("test.open");
        open.Add(5);
        open.Add(-2);
        var there = true;
        _meter.CreateObservableGauge("test.queue", () => there ? [new Measurement<int>(7, new KeyValuePair<string, object?>("node", "a"))] : Array.Empty<Measurement<int>>());
        Assert.Contains("test_open 3", Lines("test_open"));
        Assert.Contains("test_queue{node=\"a\"} 7", Lines("test_queue"));
        Assert.Contains("test_queue{node=\"a\"} 7", Lines("test_queue")); // not 14: observed, not added
        there = false;
        Assert.Empty(Lines("test_queue"));
    }

    [Fact]
    public void Histograms_are_cumulative_in_the_bounds_that_were_advised()
    {
        var histogram = _meter.CreateHistogram("test.wait", "s", "How long", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1] });
        foreach (var value in new[] { 0.05, 0.1, 0.5, 3 }) histogram.Record(value);
        Assert.Equal(
            [
                "# HELP test_wait_seconds How long", "# TYPE test_wait_seconds histogram", "test_wait_seconds_bucket{le=\"0.1\"} 2", "test_wait_seconds_bucket{le=\"1\"} 3",
                "test_wait_seconds_bucket{le=\"+Inf\"} 4", "test_wait_seconds_sum 3.65", "test_wait_seconds_count 4",
            ], Lines("test_wait"));
    }

    [Fact]
    public void Tags_without_end_do_not_fill_the_memory()
    {
        var counter = _meter.CreateCounter<int>("test.flood");
        for (var i = 0; i < MetricFamily.MaxSeries * 2; i++) counter.Add(1, new KeyValuePair<string, object?>("name", i));
        Assert.Equal(MetricFamily.MaxSeries + 1, Lines("test_flood").Length);
    }

    [Fact]
    public void Another_server_in_this_process_is_not_counted()
    {
        using var other = new ServiceCollection().AddMetrics().BuildServiceProvider();
        other.GetRequiredService<IMeterFactory>().Create("Indaba").CreateCounter<int>("test.foreign").Add(1);
        Assert.Empty(Lines("test_foreign"));
    }
}
