using System.Globalization;
using CsCheck;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;
using Xunit;

namespace Indaba.Server.Tests.Modules;

/// <summary>Any query over the wire gives what a plain filter over a list gives (XEP-0313 section 4, XEP-0059 section 2).</summary>
public sealed class ArchivePagingTests(NodeServer server) : IClassFixture<NodeServer>
{
    private const int Messages = 60;

    private sealed record Entry(string Id, long At, string Peer, string FarEnd);

    private sealed record Ask(int With, int Start, int End, int AfterId, int BeforeId, int[] Ids, int Max, int Paging, int From, bool Flip);

    [Fact]
    public async Task Pages_are_what_a_plain_list_gives()
    {
        var cancel = TestContext.Current.CancellationToken;
        var (romeo, juliet, nurse) = (await server.AddAccount("romeo"), await server.AddAccount("juliet"), await server.AddAccount("nurse"));
        await using var r = await server.Login(romeo, "orchard");
        await using var chamber = await server.Login(juliet, "chamber");
        await using var balcony = await server.Login(juliet, "balcony");
        await using var kitchen = await server.Login(nurse, "kitchen");
        WireClient[] others = [chamber, balcony, kitchen, r];
        await Converse(r, others);

        var (all, fin) = await ArchiveTests.Query(r);
        Assert.Equal("true", fin["complete"]);
        var list = all.Select(m => Read(m, r.BareJid)).ToArray();
        Assert.Equal(Messages, list.Length);
        Assert.Equal(list.Length, list.DistinctBy(e => e.Id).Count());
        string[] withs = [chamber.BareJid, chamber.Jid, balcony.Jid, kitchen.BareJid, r.BareJid, "nobody@localhost"];

        foreach (var ask in Gen.Select(
            Gen.Int[-4, withs.Length - 1], Gen.Int[-Messages, Messages - 1], Gen.Int[-Messages, Messages - 1], Gen.Int[-2 * Messages, Messages - 1], Gen.Int[-2 * Messages, Messages - 1],
            Gen.Int[0, Messages - 1].Array[0, 5], Gen.Int[-3, 20], Gen.Select(Gen.Int[0, 3], Gen.Int[0, Messages - 1], Gen.Bool),
            (with, start, end, after, before, ids, max, page) => new Ask(with, start, end, after, before, ids, max, page.Item1, page.Item2, page.Item3)).Array[400].Single())
        {
            cancel.ThrowIfCancellationRequested();
            await Compare(r, list, withs, ask);
        }
    }

    private static async Task Converse(WireClient r, WireClient[] others)
    {
        var random = Gen.Int[0, 7].Array[Messages].Single();
        for (var i = 0; i < Messages; i++)
        {
            var other = others[random[i] / 2];
            var toThem = random[i] % 2 == 0;
            var (from, to) = other == r ? (r, r) : toThem ? (r, other) : (other, r);
            var address = toThem && other != r ? to.Jid : to.BareJid;
            await from.Send($"<message to='{address}' type='chat' id='p{i}'><body>{i}</body></message>");
            await to.Expect(e => e.Name == "message" && e["id"] == $"p{i}", "the message");
        }
        await r.Barrier();
        r.ClearInbox();
    }

    private static Entry Read(Element message, string own)
    {
        var result = message.Child("result", Ns.Mam)!;
        var forwarded = result.Child("forwarded", Ns.Forward)!;
        var stanza = forwarded.Child("message", Ns.Client)!;
        var far = stanza["from"]!.Split('/')[0] == own ? stanza["to"]! : stanza["from"]!;
        return new Entry(result["id"]!, DateTimeOffset.Parse(forwarded.Child("delay", Ns.Delay)!["stamp"]!, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds(), far.Split('/')[0], far);
    }

    private static async Task Compare(WireClient r, Entry[] list, string[] withs, Ask ask)
    {
        var fields = new List<Element> { ArchiveTests.Field("FORM_TYPE", Ns.Mam) };
        IEnumerable<Entry> matching = list;
        if (ask.With >= 0)
        {
            var with = withs[ask.With];
            fields.Add(ArchiveTests.Field("with", with));
            matching = matching.Where(e => with.Contains('/', StringComparison.Ordinal) ? e.FarEnd == with : e.Peer == with);
        }
        if (ask.Start >= 0) fields.Add(ArchiveTests.Field("start", Time(list[ask.Start].At)));
        if (ask.Start >= 0) matching = matching.Where(e => e.At >= list[ask.Start].At);
        if (ask.End >= 0) fields.Add(ArchiveTests.Field("end", Time(list[ask.End].At)));
        if (ask.End >= 0) matching = matching.Where(e => e.At <= list[ask.End].At);
        if (ask.AfterId >= 0) fields.Add(ArchiveTests.Field("after-id", list[ask.AfterId].Id));
        if (ask.AfterId >= 0) matching = matching.Where(e => Place(list, e) > ask.AfterId);
        if (ask.BeforeId >= 0) fields.Add(ArchiveTests.Field("before-id", list[ask.BeforeId].Id));
        if (ask.BeforeId >= 0) matching = matching.Where(e => Place(list, e) < ask.BeforeId);
        if (ask.Ids.Length > 0 && ask.Max % 2 == 0)
        {
            string[] ids = [.. ask.Ids.Select(i => list[i].Id)];
            fields.Add(ArchiveTests.Field("ids", ids));
            matching = matching.Where(e => ids.Contains(e.Id));
        }
        var set = ask.Max >= 0 ? $"<max>{ask.Max}</max>" : "";
        var whole = matching.ToArray();
        var paged = whole;
        if (ask.Paging == 1) (set, paged) = ($"{set}<after>{list[ask.From].Id}</after>", [.. whole.Where(e => Place(list, e) > ask.From)]);
        if (ask.Paging == 2) (set, paged) = ($"{set}<before>{list[ask.From].Id}</before>", [.. whole.Where(e => Place(list, e) < ask.From)]);
        if (ask.Paging == 3) set += "<before/>";
        var max = ask.Max >= 0 ? ask.Max : int.MaxValue;
        var expected = ask.Paging >= 2 ? paged.TakeLast(max).ToArray() : [.. paged.Take(max)];

        var (results, iq) = await ArchiveTests.Send(r, fields, set, flip: ask.Flip);
        var fin = iq.Child("fin", Ns.Mam);
        Assert.True(fin is not null, $"{ask}: {iq}");
        var got = results.Select(m => m.Child("result", Ns.Mam)!["id"]!).ToArray();
        if (ask.Flip) Array.Reverse(got);
        Assert.True(expected.Select(e => e.Id).SequenceEqual(got), $"{ask}: expected {expected.Length}, got {got.Length}");
        var rsm = fin.Child("set", Ns.Rsm)!;
        Assert.Equal(expected.FirstOrDefault()?.Id, rsm.ChildText("first", Ns.Rsm));
        Assert.Equal(expected.LastOrDefault()?.Id, rsm.ChildText("last", Ns.Rsm));
        // A page of nothing cannot say that there is no more after it, but for when there is nothing at all.
        Assert.True(ask.Max == 0 || (fin["complete"] == "true") == (expected.Length == paged.Length), $"{ask}: complete={fin["complete"]}, {expected.Length} of {paged.Length}");
        if (rsm.ChildText("count", Ns.Rsm) is { } count) Assert.Equal(whole.Length.ToString(CultureInfo.InvariantCulture), count);
        if (rsm.Child("first", Ns.Rsm)?["index"] is { } index) Assert.Equal(Array.IndexOf(whole, expected[0]).ToString(CultureInfo.InvariantCulture), index);
    }

    private static int Place(Entry[] list, Entry entry) => Array.FindIndex(list, e => e.Id == entry.Id);

    private static string Time(long at) => Timestamp.Format(DateTimeOffset.FromUnixTimeMilliseconds(at));
}
