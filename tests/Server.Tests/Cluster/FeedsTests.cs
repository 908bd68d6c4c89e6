using System.Net;
using Indaba.Server.Accounts;
using Orleans.Runtime;
using Xunit;

namespace Indaba.Server.Tests.Cluster;

/// <summary>What one node sends to an account of another is taken in order, or from some item on not at all.</summary>
public sealed class FeedsTests
{
    private static readonly SiloAddress One = SiloAddress.New(IPAddress.Loopback, 1, 1), Two = SiloAddress.New(IPAddress.Loopback, 2, 1);

    [Fact]
    public void Items_of_a_way_are_taken_one_after_another()
    {
        var feeds = new Feeds();
        for (var place = 0; place < 10; place++) Assert.True(feeds.Take(One, 7, place));
    }

    [Fact]
    public void What_follows_an_item_that_was_not_taken_is_refused_until_all_comes_on_a_new_way()
    {
        var feeds = new Feeds(); // of an account that has just come here: place 0 found nobody
        Assert.False(feeds.Take(One, 7, 1));
        Assert.False(feeds.Take(One, 7, 2));
        Assert.True(feeds.Take(One, 8, 0));
        Assert.True(feeds.Take(One, 8, 1));
        Assert.False(feeds.Take(One, 7, 3));
    }

    [Fact]
    public void Nodes_do_not_wait_for_each_other()
    {
        var feeds = new Feeds();
        Assert.True(feeds.Take(One, 7, 0));
        Assert.True(feeds.Take(Two, 7, 0));
        Assert.True(feeds.Take(One, 7, 1));
        Assert.False(feeds.Take(Two, 7, 2));
    }

    [Fact]
    public void What_is_remembered_is_bounded_and_forgetting_takes_nothing_out_of_order()
    {
        var feeds = new Feeds();
        Assert.True(feeds.Take(One, 7, 0));
        for (var i = 0; i < 1000; i++) Assert.True(feeds.Take(SiloAddress.New(IPAddress.Loopback, 3, i), 1, 0));
        Assert.False(feeds.Take(One, 7, 1));
        Assert.True(feeds.Take(One, 9, 0));
    }
}
