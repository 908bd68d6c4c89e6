using CsCheck;
using Indaba.Server.Cluster;
using Xunit;

namespace Indaba.Server.Tests.Balancer;

/// <summary>What a node tells the balancer of itself.</summary>
public sealed class NodeWeightTests
{
    [Theory]
    [InlineData(0, 0.0, 0, 100)]
    [InlineData(0, 0.0, 50, 100)] // commits as usual
    [InlineData(250, 0.0, 0, 75)]
    [InlineData(250, 0.6, 0, 40)] // what is scarcest decides
    [InlineData(900, 0.6, 0, 10)]
    [InlineData(0, 0.0, 1025, 50)]
    [InlineData(0, 0.0, 2000, 1)]
    [InlineData(0, 0.0, 60_000, 1)]
    [InlineData(1000, 0.0, 0, 1)] // never 0, which would be "drain"
    [InlineData(5000, 1.0, 60_000, 1)]
    public void Weight_is_what_is_left_of_the_scarcest(int sessions, double cpu, int commitMilliseconds, int percent) =>
        Assert.Equal(percent, NodeWeight.Percent(new NodeLoad(sessions, 1000, cpu, TimeSpan.FromMilliseconds(commitMilliseconds))));

    [Fact]
    public void More_load_is_never_more_weight() => Gen.Select(Load, Gen.Int[0, 1000], Gen.Double[0, 1], Gen.Int[0, 5000]).Sample((load, sessions, cpu, wait) =>
    {
        var more = new NodeLoad(load.Sessions + sessions, load.Capacity, Math.Min(1, load.Cpu + cpu), load.CommitWait + TimeSpan.FromMilliseconds(wait));
        Assert.InRange(NodeWeight.Percent(more), 1, NodeWeight.Percent(load));
        Assert.InRange(NodeWeight.Percent(load), 1, 100);
    });

    private static readonly Gen<NodeLoad> Load = Gen.Select(Gen.Int[0, 2000], Gen.Int[0, 2000], Gen.Double[0, 1], Gen.Int[0, 5000],
        (sessions, capacity, cpu, wait) => new NodeLoad(sessions, capacity, cpu, TimeSpan.FromMilliseconds(wait)));

    [Theory]
    [InlineData("Starting", null, "ready down #starting")]
    [InlineData("Serving", null, "ready up 42%")]
    [InlineData("Serving", "database", "ready down #database")]
    [InlineData("Draining", null, "drain up 42%")]
    [InlineData("Draining", "database", "drain down #database")]
    [InlineData("Stopping", null, "drain up 42%")]
    public void Each_answer_speaks_of_both_states(string state, string? fault, string answer) =>
        Assert.Equal(answer, AgentCheck.Answer(Enum.Parse<NodeState>(state), fault, 42));
}
