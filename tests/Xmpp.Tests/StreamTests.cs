using System.Buffers;
using System.Text;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Tests.Xml;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Tests;

public class StreamTests
{
    private static StreamHeader Read(string xml)
    {
        var reader = new XmppReader(new XmppReaderLimits());
        var input = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(xml));
        Assert.Equal(XmppToken.StreamOpen, reader.Read(ref input));
        return StreamHeader.Parse(reader.Element!, reader.ContentNamespace);
    }

    private static string Write(StreamHeader header)
    {
        var output = new ArrayBufferWriter<byte>();
        header.WriteTo(output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    [Fact]
    public void A_header_is_read()
    {
        var header = Read("<?xml version='1.0'?><stream:stream from='juliet@im.example.com' to='im.example.com' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
        Assert.Equal(new StreamHeader(Jid.Parse("im.example.com"), Jid.Parse("juliet@im.example.com"), null, "1.0", "en"), header);
        Assert.Equal(new StreamHeader(), Read("<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>"));
    }

    [Fact]
    public void A_header_is_written_and_read()
    {
        var header = new StreamHeader(Jid.Parse("juliet@im.example.com"), Jid.Parse("im.example.com"), "a'b<c&\"", "1.0", "zh-Hans");
        Assert.Equal("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='juliet@im.example.com' from='im.example.com' id='a&apos;b&lt;c&amp;&quot;' version='1.0' xml:lang='zh-Hans'>", Write(header));
        Assert.Equal(header, Read(Write(header)));
        Assert.Equal(header, StreamHeader.ParseOpen(header.ToOpen()));
        Assert.Equal("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>", new StreamHeader(Jid.Parse("example.com"), Version: "1.0").ToOpen().ToString());
        Assert.Equal("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", StreamHeader.Close().ToString());
        Assert.Equal("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='wss://x'/>", StreamHeader.Close("wss://x").ToString());
        Assert.Equal(["StreamOpen", "StreamClose"], ReaderDriver.Run(Write(new StreamHeader()) + Encoding.UTF8.GetString(StreamHeader.ClosingTag)).Select(t => t.Split(' ')[0]));
    }

    [Theory]
    [InlineData("<stream:stream xmlns='jabber:client' xmlns:stream='http://wrong.example/'>", StreamCondition.InvalidNamespace)]
    [InlineData("<stream xmlns='jabber:client'>", StreamCondition.InvalidNamespace)]
    [InlineData("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", StreamCondition.InvalidNamespace)]
    [InlineData("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>", StreamCondition.InvalidNamespace)]
    [InlineData("<stream:foo xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", StreamCondition.BadFormat)]
    [InlineData("<stream:stream to='@' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", StreamCondition.ImproperAddressing)]
    [InlineData("<stream:stream from='@' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", StreamCondition.InvalidFrom)]
    public void A_header_is_refused_with(string xml, StreamCondition condition) => Assert.Equal(condition, Assert.Throws<StreamException>(() => Read(xml)).Condition);

    [Fact]
    public void An_open_is_refused_with()
    {
        Assert.Equal(StreamCondition.InvalidNamespace, Assert.Throws<StreamException>(() => StreamHeader.ParseOpen(new Element("open", Ns.Client))).Condition);
        Assert.Equal(StreamCondition.BadFormat, Assert.Throws<StreamException>(() => StreamHeader.ParseOpen(new Element("close", Ns.Framing))).Condition);
    }

    [Theory]
    [InlineData("1.0", true)]
    [InlineData("1.1", true)]
    [InlineData("01.0", true)] // leading zeros are ignored (RFC 6120 section 4.7.5)
    [InlineData("2.0", true)]
    [InlineData("10.0", true)]
    [InlineData("0.9", false)]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("1", false)]
    [InlineData("x.y", false)]
    [InlineData("1.", false)]
    [InlineData("99999999999999.0", false)]
    public void The_version_tells_whether_features_follow(string? version, bool features) => Assert.Equal(features, new StreamHeader(Version: version).HasFeatures);

    [Fact]
    public void Errors_are_written_and_read()
    {
        Assert.Equal(
            "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>why</text></stream:error>",
            StreamError.ToElement(new StreamException(StreamCondition.NotWellFormed, "why")).ToString());
        Assert.Equal("other.example", StreamError.ToElement(new StreamException(StreamCondition.SeeOtherHost), "other.example").ChildText("see-other-host", Ns.StreamErrors));
        foreach (var condition in Enum.GetValues<StreamCondition>())
        {
            var read = StreamError.Parse(StreamError.ToElement(new StreamException(condition, "text", new Element("why", "urn:y"))));
            Assert.Equal((condition, "text", "why"), (read!.Condition, read.ErrorText, read.Application!.Name));
            Assert.Null(StreamError.Parse(StreamError.ToElement(new StreamException(condition)))!.ErrorText);
        }
        Assert.Equal(StreamCondition.UndefinedCondition, StreamError.Parse(new Element("error", Ns.Stream).Add("new-thing", Ns.StreamErrors))!.Condition);
        Assert.Null(StreamError.Parse(new Element("features", Ns.Stream)));
    }

    // RFC 6120 section 4.9.3, in its order.
    [Fact]
    public void Conditions_are_those_of_the_rfc() => Assert.Equal(
        ["bad-format", "bad-namespace-prefix", "conflict", "connection-timeout", "host-gone", "host-unknown", "improper-addressing", "internal-server-error",
            "invalid-from", "invalid-namespace", "invalid-xml", "not-authorized", "not-well-formed", "policy-violation", "remote-connection-failed", "reset",
            "resource-constraint", "restricted-xml", "see-other-host", "system-shutdown", "undefined-condition", "unsupported-encoding", "unsupported-feature",
            "unsupported-stanza-type", "unsupported-version"],
        Enum.GetValues<StreamCondition>().Select(c => Kebab.Of(c)));
}
