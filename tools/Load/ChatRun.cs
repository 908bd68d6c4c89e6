using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;

namespace Indaba.Load;

/// <summary>Pairs of senders and receivers. A message counts as sent when it is written, acked when the server's h covers it, delivered when its receiver has it.</summary>
internal sealed class ChatRun(LoadOptions options, LoadTarget target)
{
    private readonly Histogram _acks = new();
    private readonly Histogram _deliveries = new();

    /// <summary>Runs and prints; returns false when something was lost, doubled or out of order.</summary>
    public async Task<bool> Run()
    {
        var names = Enumerable.Range(0, options.Pairs).SelectMany(i => new[] { $"s{i}", $"r{i}" }).ToArray();
        await target.AddAccounts(names);
        var stats = target.Servers;
        var own = new ProcessStats([Environment.ProcessId], descendants: false);

        var links = await Logins.Together(names, options.AtOnce, name => Connection.Login(target.Of(name), name, options.Transport, appears: name[0] == 'r'));
        var senders = Enumerable.Range(0, options.Pairs).Select(i => new ChatSender(links[$"s{i}"], $"r{i}@{target.Domain}", options, _acks)).ToArray();
        var receivers = Enumerable.Range(0, options.Pairs).Select(i => new ChatReceiver(links[$"r{i}"], _deliveries)).ToArray();
        var running = senders.Select(s => s.Run()).Concat(receivers.Select(r => r.Run())).ToArray();
        using var stop = new CancellationTokenSource();
        var sending = senders.Select(s => s.SendAll(stop.Token)).ToArray();

        await Task.Delay(TimeSpan.FromSeconds(options.Warmup));
        _acks.Clear();
        _deliveries.Clear();
        var databaseCpu = target.Database?.CpuMicros() ?? 0;
        var (cpu, ownCpu, delivered, watch) = (stats.CpuMicros(), own.CpuMicros(), receivers.Sum(r => r.Delivered), Stopwatch.StartNew());
        await Task.Delay(TimeSpan.FromSeconds(options.Seconds));
        var (took, count) = (watch.Elapsed.TotalSeconds, receivers.Sum(r => r.Delivered) - delivered);
        cpu = stats.CpuMicros() - cpu;
        ownCpu = own.CpuMicros() - ownCpu;
        databaseCpu = (target.Database?.CpuMicros() ?? 0) - databaseCpu;
        await stop.CancelAsync();
        await Task.WhenAll(sending);
        await Settle(senders, receivers);
        Print(senders, receivers, count, took, cpu, databaseCpu, ownCpu);
        foreach (var c in senders.Concat<Connection>(receivers)) c.Dispose();
        await Task.WhenAll(running);
        return senders.All(s => s.Acked == s.Sent) && receivers.Sum(r => r.Doubled + r.OutOfOrder) == 0 && Lost(senders, receivers) == 0;
    }

    private static long Lost(ChatSender[] senders, ChatReceiver[] receivers) => senders.Zip(receivers, (s, r) => s.Sent - r.Distinct).Sum();

    private static async Task Settle(ChatSender[] senders, ChatReceiver[] receivers)
    {
        var watch = Stopwatch.StartNew();
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (watch.Elapsed < TimeSpan.FromSeconds(20) && (senders.Any(s => s.Acked < s.Sent) || Lost(senders, receivers) > 0)) await tick.WaitForNextTickAsync();
    }

    private void Print(ChatSender[] senders, ChatReceiver[] receivers, long count, double took, double cpu, double databaseCpu, double ownCpu)
    {
        Console.WriteLine(FormattableString.Invariant($"chat, {options.Server}, {options.Pairs} pairs, window {options.Window}, ask {(options.AskEach ? "each" : "window")}{(options.Rate > 0 ? $", rate {options.Rate}/s" : "")}, {options.Transport}{(options.Nodes > 0 ? $", {options.Nodes} nodes, {options.Cross} % of pairs across" : "")}"));
        Console.WriteLine(FormattableString.Invariant($"  {count / took:N0} messages/s delivered, {cpu / count:0.0} µs server CPU per message{(options.Nodes > 0 ? $" + {databaseCpu / count:0.0} µs PostgreSQL" : "")}, {(cpu + databaseCpu) / took / 1e6:0.00} cores; generator {ownCpu / count:0.0} µs per message"));
        Console.WriteLine($"  acks       {_acks}");
        Console.WriteLine($"  deliveries {_deliveries}");
        Console.WriteLine(FormattableString.Invariant($"  sent {senders.Sum(s => s.Sent)}, acked {senders.Sum(s => s.Acked)}, delivered {receivers.Sum(r => r.Distinct)}, lost {Lost(senders, receivers)}, doubled {receivers.Sum(r => r.Doubled)}, out of order {receivers.Sum(r => r.OutOfOrder)}"));
    }

    private sealed class ChatSender : Connection
    {
        private readonly string _to;
        private readonly LoadOptions _options;
        private readonly Histogram _acks;
        private readonly long[] _sentAt;
        private readonly SemaphoreSlim _room;
        private readonly string _filling;

        public ChatSender((Socket, Stream, byte[]) link, string to, LoadOptions options, Histogram acks) : base(link, 0)
        {
            (_to, _options, _acks) = (to, options, acks);
            _sentAt = new long[options.Window];
            _room = new SemaphoreSlim(options.Window);
            _filling = new string('x', options.Size);
        }

        public long Sent { get; private set; }
        public long Acked { get; private set; }

        /// <summary>Keeps the window full until told to stop.</summary>
        public async Task SendAll(CancellationToken stop)
        {
            using var pace = _options.Rate > 0 ? new PeriodicTimer(TimeSpan.FromSeconds(_options.Pairs / _options.Rate)) : null;
            var batch = new StringBuilder();
            try
            {
                while (true)
                {
                    await _room.WaitAsync(stop);
                    if (pace is not null) await pace.WaitForNextTickAsync(stop);
                    do
                    {
                        Append(batch);
                    }
                    while (pace is null && _room.Wait(0, CancellationToken.None));
                    if (!_options.AskEach) batch.Append("<r xmlns='urn:xmpp:sm:3'/>");
                    await Send(Encoding.ASCII.GetBytes(batch.ToString()));
                    batch.Clear();
                }
            }
            catch (OperationCanceledException)
            {
                await Send("<r xmlns='urn:xmpp:sm:3'/>"u8.ToArray());
            }
        }

        protected override void OnAck(uint h)
        {
            var before = Acked;
            for (; Acked < h; Acked++) _acks.AddSince(_sentAt[Acked % _options.Window]);
            if (Acked > before) _room.Release((int)(Acked - before));
        }

        private void Append(StringBuilder batch)
        {
            var now = Stopwatch.GetTimestamp();
            _sentAt[Sent % _options.Window] = now;
            var number = ++Sent;
            batch.Append(CultureInfo.InvariantCulture, $"<message to='{_to}' type='chat' id='{number}'><body>{number} {now} {_filling}</body><origin-id xmlns='{Ns.StanzaIds}' id='{_to}{number}'/></message>");
            if (_options.AskEach) batch.Append("<r xmlns='urn:xmpp:sm:3'/>");
        }
    }

    private sealed class ChatReceiver((Socket, Stream, byte[]) link, Histogram deliveries) : Connection(link, 0)
    {
        private readonly HashSet<long> _ahead = []; // numbers above _highest without a gap
        private long _complete; // all up to here have come
        private long _last;

        public long Delivered { get; private set; }
        public long Doubled { get; private set; }
        public long OutOfOrder { get; private set; }
        public long Distinct => _complete + _ahead.Count;

        protected override void OnMessage(ReadOnlySpan<byte> element)
        {
            var body = element.IndexOf("<body>"u8);
            if (body < 0) return;
            var text = element[(body + 6)..];
            if (!Utf8Parser.TryParse(text, out long number, out var used) || !Utf8Parser.TryParse(text[(used + 1)..], out long sentAt, out _)) return;
            Delivered++;
            deliveries.AddSince(sentAt);
            if (number <= _complete || !_ahead.Add(number))
            {
                Doubled++;
                return;
            }
            if (number < _last) OutOfOrder++;
            _last = Math.Max(_last, number);
            while (_ahead.Remove(_complete + 1)) _complete++;
        }
    }
}
