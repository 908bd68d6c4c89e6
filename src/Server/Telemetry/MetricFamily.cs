using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Indaba.Server.Telemetry;

/// <summary>One instrument with its series, one for each set of tags.</summary>
internal sealed class MetricFamily
{
    /// <summary>Series of one instrument; more are not kept, since a tag with a client's words would fill the memory.</summary>
    public const int MaxSeries = 256;
    // OpenTelemetry's default bounds for times in seconds (semantic conventions, http.server.request.duration).
    private static readonly double[] DefaultBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    // The runtime made counters of them; they go up and down (semantic conventions: UpDownCounter), and rate() of them means nothing.
    private static readonly string[] Mistaken = ["dotnet.thread_pool.queue.length", "dotnet.thread_pool.thread.count"];

    private enum Kind { Counter, Gauge, Histogram }

    private readonly Kind _kind;
    private readonly bool _sets;       // a measurement is the value, not an addition to it
    private readonly bool _observable; // series that were not observed at a scrape are gone
    private readonly string _help;
    private readonly double[] _bounds = [];
    private readonly Lock _adding = new();
    private Series[] _series = [];

    public MetricFamily(Instrument instrument)
    {
        var type = instrument.GetType();
        var generic = type.IsGenericType ? type.GetGenericTypeDefinition() : null;
        _observable = instrument.IsObservable;
        _kind = generic == typeof(Histogram<>) ? Kind.Histogram : Mistaken.Contains(instrument.Name) ? Kind.Gauge : generic == typeof(Counter<>) || generic == typeof(ObservableCounter<>) ? Kind.Counter : Kind.Gauge;
        _sets = _observable || generic == typeof(Gauge<>);
        if (_kind == Kind.Histogram) _bounds = Bounds(instrument);
        _help = instrument.Description ?? "";
        Name = NameOf(instrument, _kind == Kind.Counter);
    }

    /// <summary>The name as Prometheus wants it, e.g. <c>indaba_storage_commit_duration_seconds</c>.</summary>
    public string Name { get; }

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var series = Find(tags) ?? Add(tags);
        series?.Record(value, _sets, _bounds);
    }

    public void BeginScrape()
    {
        if (!_observable) return;
        lock (_adding) _series = [];
    }

    public void Write(StringBuilder text)
    {
        var series = Volatile.Read(ref _series);
        // A counter that appeared with its first event at 1 would show no increase: it is 0 from the start.
        if (series.Length == 0 && !_observable && _kind != Kind.Gauge) series = [new Series([], _bounds.Length)];
        if (series.Length == 0) return;
        if (_help.Length > 0) text.Append("# HELP ").Append(Name).Append(' ').Append(_help.Replace("\\", "\\\\", StringComparison.Ordinal).ReplaceLineEndings("\\n")).Append('\n');
        text.Append("# TYPE ").Append(Name).Append(_kind switch { Kind.Counter => " counter\n", Kind.Gauge => " gauge\n", _ => " histogram\n" });
        foreach (var one in series)
        {
            if (_kind == Kind.Histogram) WriteHistogram(text, one);
            else Line(text, "", one.Labels, null, one.Value());
        }
    }

    private void WriteHistogram(StringBuilder text, Series series)
    {
        var (buckets, sum, count) = series.Histogram();
        var below = 0L;
        for (var i = 0; i < _bounds.Length; i++)
        {
            below += buckets[i];
            Line(text, "_bucket", series.Labels, Number(_bounds[i]), below);
        }
        Line(text, "_bucket", series.Labels, "+Inf", count);
        Line(text, "_sum", series.Labels, null, sum);
        Line(text, "_count", series.Labels, null, count);
    }

    private void Line(StringBuilder text, string suffix, string labels, string? le, double value)
    {
        text.Append(Name).Append(suffix);
        if (labels.Length > 0 || le is not null)
        {
            text.Append('{').Append(labels);
            if (le is not null) text.Append(labels.Length > 0 ? "," : "").Append("le=\"").Append(le).Append('"');
            text.Append('}');
        }
        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private Series? Find(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach (var series in Volatile.Read(ref _series))
        {
            if (series.Has(tags)) return series;
        }
        return null;
    }

    private Series? Add(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (_adding)
        {
            if (Find(tags) is { } there) return there;
            if (_series.Length >= MaxSeries) return null;
            var series = new Series(tags.ToArray(), _bounds.Length);
            Volatile.Write(ref _series, [.. _series, series]);
            return series;
        }
    }

    private static double[] Bounds(Instrument instrument) => instrument switch
    {
        Histogram<double> { Advice.HistogramBucketBoundaries: { } given } => [.. given],
        Histogram<long> { Advice.HistogramBucketBoundaries: { } given } => [.. given.Select(b => (double)b)],
        Histogram<int> { Advice.HistogramBucketBoundaries: { } given } => [.. given.Select(b => (double)b)],
        _ => DefaultBounds,
    };

    private static string NameOf(Instrument instrument, bool counter)
    {
        var name = new string([.. instrument.Name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_')]);
        var unit = instrument.Unit switch { "s" => "_seconds", "ms" => "_milliseconds", "By" => "_bytes", _ => "" };
        if (!name.EndsWith(unit, StringComparison.Ordinal)) name += unit;
        return counter && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
    }

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);

    private sealed class Series(KeyValuePair<string, object?>[] tags, int bounds)
    {
        private readonly Lock _lock = new();
        private readonly long[] _buckets = new long[bounds + 1];
        private double _value;
        private long _count;

        public string Labels { get; } = string.Join(',', tags.Select(t => $"{new string([.. t.Key.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_')])}=\"{Escape(t.Value)}\""));

        public bool Has(ReadOnlySpan<KeyValuePair<string, object?>> others)
        {
            if (others.Length != tags.Length) return false;
            for (var i = 0; i < tags.Length; i++)
            {
                if (tags[i].Key != others[i].Key || !Equals(tags[i].Value, others[i].Value)) return false;
            }
            return true;
        }

        public void Record(double value, bool sets, double[] bounds)
        {
            lock (_lock)
            {
                _value = sets ? value : _value + value;
                if (bounds.Length == 0) return;
                var bucket = 0;
                while (bucket < bounds.Length && value > bounds[bucket]) bucket++;
                _buckets[bucket]++;
                _count++;
            }
        }

        public double Value()
        {
            lock (_lock) return _value;
        }

        public (long[] Buckets, double Sum, long Count) Histogram()
        {
            lock (_lock) return ([.. _buckets], _value, _count);
        }

        private static string Escape(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture)!
            .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).ReplaceLineEndings("\\n");
    }
}
