using System.Text;
using CsCheck;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Tests.Xml;

public class ReadWriteTests
{
    [Fact]
    public void What_is_written_is_read_again() => Trees.Tree.Sample(tree =>
    {
        var bytes = XmppWriter.ToBytes(tree, Ns.Client);
        Assert.Equal(Trees.Canonical(tree), Trees.Canonical(ReaderDriver.ReadOne(bytes)));
    }, iter: 5_000, print: e => e.ToString());

    [Fact]
    public void A_frame_is_written_and_read_again() => Trees.Tree.Sample(tree =>
    {
        var bytes = XmppWriter.ToBytes(tree, "");
        Assert.Equal(Trees.Canonical(tree), Trees.Canonical(XmppReader.ReadFrame(new(bytes), new XmppReaderLimits())));
    }, iter: 2_000, print: e => e.ToString());

    [Fact]
    public void Writing_twice_gives_the_same_bytes() => Trees.Tree.Sample(tree =>
    {
        var once = XmppWriter.ToBytes(tree, Ns.Client);
        Assert.Equal(once, XmppWriter.ToBytes(tree.Clone(), Ns.Client));
        Assert.Equal(once, XmppWriter.ToBytes(ReaderDriver.ReadOne(once), Ns.Client));
    }, iter: 1_000, print: e => e.ToString());

    [Fact]
    public void Bytes_may_be_split_anywhere() => Gen.Select(Trees.Tree.Array[1, 3], Gen.Int[0, 1_000_000].Array[0, 12], Gen.Bool).Sample((trees, places, asArrivals) =>
    {
        byte[] bytes = [.. "<?xml version='1.0'?>"u8, .. Encoding.UTF8.GetBytes(ReaderDriver.Header), .. trees.SelectMany(t => XmppWriter.ToBytes(t, Ns.Client).Append((byte)' ')), .. "</stream:stream>"u8];
        var whole = ReaderDriver.Run(bytes);
        var pieces = Trees.Cut(bytes, places);
        Assert.Equal(trees.Length + 2, whole.Count);
        Assert.Equal(whole, ReaderDriver.Run(asArrivals ? pieces.Select(p => Trees.Sequence(p)) : [Trees.Sequence(pieces)]));
    }, iter: 2_000);

    [Fact]
    public void Bytes_may_come_one_by_one() => Trees.Tree.Sample(tree =>
    {
        byte[] bytes = [.. Encoding.UTF8.GetBytes("<?xml version=\"1.0\" encoding='UTF-8' ?>\n" + ReaderDriver.Header), .. XmppWriter.ToBytes(tree, Ns.Client), .. "<a><![CDATA[x]]]]><![CDATA[>]]></a >"u8];
        Assert.Equal(ReaderDriver.Run(bytes), ReaderDriver.Run(bytes.Select(b => Trees.Sequence([b]))));
    }, iter: 300, print: e => e.ToString());

    [Fact]
    public void Nothing_behind_a_token_is_consumed()
    {
        // STARTTLS: what stands behind <starttls/> must stay with the caller, who refuses it.
        var reader = new XmppReader(new XmppReaderLimits());
        var input = Trees.Sequence(Encoding.UTF8.GetBytes(ReaderDriver.Header), "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"u8.ToArray(), "<smuggled/>"u8.ToArray());
        Assert.Equal(XmppToken.StreamOpen, reader.Read(ref input));
        Assert.Equal(XmppToken.Element, reader.Read(ref input));
        Assert.Equal("<smuggled/>", Encoding.UTF8.GetString(System.Buffers.BuffersExtensions.ToArray(input)));
    }

    [Fact]
    public void Long_text_beyond_the_basic_plane_is_whole()
    {
        // Longer than what is encoded at once, with every alignment of its pairs.
        foreach (var before in (string[])["", "a", "<"])
        {
            var text = before + string.Concat(Enumerable.Repeat("😀", 3000)) + "界";
            var element = new Element("a", Ns.Client).With("b", text).AddText(text);
            Assert.Equal(Trees.Canonical(element), Trees.Canonical(ReaderDriver.ReadOne(XmppWriter.ToBytes(element, Ns.Client))));
        }
    }

    [Fact]
    public void Elements_are_written_as_expected()
    {
        var message = new Element("message", Ns.Client).With("to", "a'b\"<>&\n").SetAttribute("lang", Ns.Xml, "en").SetAttribute("k", "urn:k", "v").SetAttribute("l", "urn:k", "w")
            .Add("body", Ns.Client, "<&>'\"\r\n").Add("x", "urn:x").Add("y", "");
        Assert.Equal(
            "<message to='a&apos;b&quot;&lt;&gt;&amp;&#10;' xml:lang='en' xmlns:n2='urn:k' n2:k='v' n2:l='w'><body>&lt;&amp;&gt;'\"&#13;\n</body><x xmlns='urn:x'/><y xmlns=''/></message>",
            Encoding.UTF8.GetString(XmppWriter.ToBytes(message, Ns.Client)));
        Assert.StartsWith("<message xmlns='jabber:client' ", message.ToString(), StringComparison.Ordinal);
        Assert.Equal(
            "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>",
            new Element("features", Ns.Stream).Add("bind", Ns.Bind).ToString());
    }
}
