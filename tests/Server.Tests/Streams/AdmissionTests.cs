using System.Diagnostics.Metrics;
using Indaba.Server.Options;
using Indaba.Server.Streams;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Indaba.Server.Tests.Streams;

/// <summary>The bound on logins in flight, the queue behind it, and what those over it are told.</summary>
public sealed class AdmissionTests : IDisposable
{
    private readonly Clock _clock = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private LimitsOptions _limits = new() { LoginsInFlight = 2, LoginQueue = 3 };

    public void Dispose() => _services.Dispose();

    private Admission New() => new(() => _limits, _clock, _services.GetRequiredService<IMeterFactory>());

    private static async Task<AdmissionTicket> Enter(Admission admission, CancellationToken cancel = default) =>
        await admission.EnterAsync(cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken) ?? throw new InvalidOperationException("turned away");

    [Fact]
    public async Task As_many_as_may_go_at_once_the_next_in_their_order_and_the_rest_is_turned_away()
    {
        var admission = New();
        using var first = await Enter(admission);
        using var second = await Enter(admission);
        var waiting = new[] { admission.EnterAsync(default).AsTask(), admission.EnterAsync(default).AsTask(), admission.EnterAsync(default).AsTask() };
        Assert.True(admission.IsFull);
        Assert.Null(await admission.EnterAsync(default));
        Assert.Equal((2, 3), (admission.InFlight, admission.Waiting));
        Assert.DoesNotContain(waiting, w => w.IsCompleted);

        second.Dispose();
        using var third = await waiting[0];
        Assert.False(waiting[1].IsCompleted);
        Assert.False(admission.IsFull);
        second.Dispose(); // a second time makes no room
        Assert.False(waiting[1].IsCompleted);
        first.Dispose();
        third!.Dispose();
        using var fourth = await waiting[1];
        using var fifth = await waiting[2];
        Assert.Equal((2, 0), (admission.InFlight, admission.Waiting));
    }

    [Fact]
    public async Task Nobody_overtakes_those_who_wait()
    {
        var admission = New();
        using var first = await Enter(admission);
        using var second = await Enter(admission);
        var waits = admission.EnterAsync(default).AsTask();
        _limits = _limits with { LoginsInFlight = 3 }; // room, but others were first
        var later = admission.EnterAsync(default).AsTask();
        Assert.False(later.IsCompleted);
        first.Dispose();
        Assert.NotNull(await waits);
        Assert.NotNull(await later);
    }

    [Fact]
    public async Task Who_gives_up_leaves_the_queue()
    {
        var admission = New();
        using var first = await Enter(admission);
        using var second = await Enter(admission);
        using var gone = new CancellationTokenSource();
        var leaves = admission.EnterAsync(gone.Token).AsTask();
        var stays = admission.EnterAsync(default).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaves);
        Assert.Equal(1, admission.Waiting);
        first.Dispose();
        Assert.NotNull(await stays);
        using var already = new CancellationTokenSource();
        await already.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => admission.EnterAsync(already.Token).AsTask());
        Assert.Equal((2, 0), (admission.InFlight, admission.Waiting));
    }

    [Fact]
    public async Task A_client_that_dawdles_loses_its_place_to_those_who_wait_and_only_then()
    {
        var admission = New();
        using var dawdler = await Enter(admission);
        using var working = await Enter(admission);
        dawdler.ClientsTurn();
        _clock.Advance(TimeSpan.FromSeconds(3));
        admission.Sweep();
        Assert.True(dawdler.ServersTurn()); // nobody waits
        dawdler.ClientsTurn();
        var waits = admission.EnterAsync(default).AsTask();
        admission.Sweep();
        Assert.False(waits.IsCompleted); // it has only just got the move
        _clock.Advance(TimeSpan.FromSeconds(3));
        admission.Sweep();
        Assert.NotNull(await waits);
        Assert.False(dawdler.ServersTurn());
        Assert.True(working.ServersTurn()); // the server works for it: never taken
        dawdler.Dispose();
        Assert.Equal(2, admission.InFlight);
    }

    [Fact]
    public async Task Those_turned_away_come_back_later_the_more_of_them_there_are_and_not_all_at_once()
    {
        _limits = _limits with { LoginQueue = 1000 };
        var admission = New();
        using var first = await Enter(admission);
        using var second = await Enter(admission);
        var early = Enumerable.Range(0, 50).Select(_ => admission.ComeBackSeconds()).ToList();
        for (var i = 0; i < 1000; i++) _ = admission.EnterAsync(default).AsTask();
        var late = Enumerable.Range(0, 2000).Select(_ => admission.ComeBackSeconds()).ToList();
        Assert.All(early.Concat(late), s => Assert.InRange(s, 2, 120));
        Assert.True(late[^200..].Average() > 2 * early.Average());
        Assert.True(late[^200..].Distinct().Count() > 3);
    }

    [Fact]
    public async Task A_thousand_logins_at_once_never_exceed_the_bound_and_all_get_in()
    {
        _limits = new LimitsOptions { LoginsInFlight = 8, LoginQueue = 1000 };
        var admission = New();
        var (now, most) = (0, 0);
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => Task.Run(async () =>
        {
            using var ticket = await Enter(admission);
            var here = Interlocked.Increment(ref now);
            InterlockedMax(ref most, here);
            await Task.Yield();
            Interlocked.Decrement(ref now);
        })));
        Assert.InRange(most, 1, 8);
        Assert.Equal((0, 0), (admission.InFlight, admission.Waiting));
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (var seen = Volatile.Read(ref target); value > seen;)
        {
            var before = Interlocked.CompareExchange(ref target, value, seen);
            if (before == seen) return;
            seen = before;
        }
    }

    /// <summary>A stopwatch that the test moves.</summary>
    private sealed class Clock : TimeProvider
    {
        private long _ticks = 1;
        public override long GetTimestamp() => Interlocked.Read(ref _ticks);
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
    }
}
