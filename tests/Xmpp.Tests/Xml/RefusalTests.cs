using System.Buffers;
using System.Diagnostics;
using System.Text;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Tests.Xml;

/// <summary>What must be refused, and with which condition of RFC 6120 section 4.9.3 (S1, S2, S3, S8 of the field survey).</summary>
public class RefusalTests
{
    [Theory]
    // restricted-xml: section 11.1.
    [InlineData("<!-- comment -->", "restricted-xml")]
    [InlineData("<a><!-- comment --></a>", "restricted-xml")]
    [InlineData("<!", null)] // not told yet
    [InlineData("<!-", "restricted-xml")] // told at once, not at its end
    [InlineData("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "restricted-xml")]
    [InlineData("<!D", "restricted-xml")]
    [InlineData("<!ELEMENT a ANY>", "restricted-xml")]
    [InlineData("<?php x ?>", "restricted-xml")]
    [InlineData("<a><?xml-stylesheet href='x'?></a>", "restricted-xml")]
    [InlineData("<?xml version='1.0'?>", "restricted-xml")] // a declaration, but not at the start
    [InlineData("<a><?xml version='1.0'?></a>", "restricted-xml")]
    [InlineData("<a>&nbsp;</a>", "restricted-xml")]
    [InlineData("<a b='&xxe;'/>", "restricted-xml")]
    // not-well-formed.
    [InlineData("<a></b>", "not-well-formed")]
    [InlineData("<a><b></a></b>", "not-well-formed")]
    [InlineData("<a></A>", "not-well-formed")]
    [InlineData("</a>", "not-well-formed")]
    [InlineData("<a></ a>", "not-well-formed")]
    [InlineData("<a></a b=''>", "not-well-formed")]
    [InlineData("<p:a xmlns:p='urn:p'></a>", "not-well-formed")]
    [InlineData("<a xmlns:p='urn:p'></p:a>", "not-well-formed")]
    [InlineData("<p:a xmlns:p='urn:p' xmlns:q='urn:p'></q:a>", "not-well-formed")]
    [InlineData("< a/>", "not-well-formed")]
    [InlineData("<>", "not-well-formed")]
    [InlineData("</>", "not-well-formed")]
    [InlineData("<a/ >", "not-well-formed")]
    [InlineData("<a//>", "not-well-formed")]
    [InlineData("<1a/>", "not-well-formed")]
    [InlineData("<-a/>", "not-well-formed")]
    [InlineData("<a$/>", "not-well-formed")]
    [InlineData("<a:b:c xmlns:a='urn:a'/>", "not-well-formed")]
    [InlineData("<:a/>", "not-well-formed")]
    [InlineData("<a:/>", "not-well-formed")]
    [InlineData("<a b/>", "not-well-formed")]
    [InlineData("<a b=c/>", "not-well-formed")]
    [InlineData("<a b='c/>'", null)] // the value goes on
    [InlineData("<a b='1'c='2'/>", "not-well-formed")]
    [InlineData("<a b='1' b='2'/>", "not-well-formed")]
    [InlineData("<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='1' q:b='2'/>", "not-well-formed")]
    [InlineData("<a b='<'/>", "not-well-formed")]
    [InlineData("<a b='&'/>", "not-well-formed")]
    [InlineData("<a b='&amp'/>", "not-well-formed")]
    [InlineData("<a>& </a>", "not-well-formed")]
    [InlineData("<a>&;</a>", "not-well-formed")]
    [InlineData("<a>&#;</a>", "not-well-formed")]
    [InlineData("<a>&#x;</a>", "not-well-formed")]
    [InlineData("<a>&#0;</a>", "not-well-formed")]
    [InlineData("<a>&#x1F;</a>", "not-well-formed")]
    [InlineData("<a>&#xD800;</a>", "not-well-formed")]
    [InlineData("<a>&#xFFFE;</a>", "not-well-formed")]
    [InlineData("<a>&#x110000;</a>", "not-well-formed")]
    [InlineData("<a>&#99999999999999;</a>", "not-well-formed")]
    [InlineData("<a>&# 65;</a>", "not-well-formed")]
    [InlineData("<a>&#65 ;</a>", "not-well-formed")]
    [InlineData("<a>&#65\0;</a>", "not-well-formed")]
    [InlineData("<a>&#6A;</a>", "not-well-formed")]
    [InlineData("<a>&#xG;</a>", "not-well-formed")]
    [InlineData("<a>&#4294967361;</a>", "not-well-formed")] // 65 in 32 bits
    [InlineData("<a>&#x100000041;</a>", "not-well-formed")]
    [InlineData("<a>&#000000000000000000000065;&#x00000000000000041;</a>", null)]
    [InlineData("<a>&#+65;</a>", "not-well-formed")]
    [InlineData("<a>&#X41;</a>", "not-well-formed")]
    [InlineData("<a>]]></a>", "not-well-formed")]
    [InlineData("<a>\r\n]]></a>", "not-well-formed")]
    [InlineData("<a>\u0001</a>", "not-well-formed")]
    [InlineData("<a b='\u0000'/>", "not-well-formed")]
    [InlineData("<a>\uFFFE</a>", "not-well-formed")]
    [InlineData("<a><![CDATA[\u0001]]></a>", "not-well-formed")]
    [InlineData("<a><![CDATA[\uFFFF]]></a>", "not-well-formed")]
    [InlineData("<a><![cdata[x]]></a>", "not-well-formed")]
    [InlineData("<a><![CDATX[x]]></a>", "not-well-formed")]
    // Namespaces in XML.
    [InlineData("<p:a/>", "not-well-formed")]
    [InlineData("<a p:b=''/>", "not-well-formed")]
    [InlineData("<a xmlns:p='urn:p'><p:b/></a><p:c/>", "not-well-formed")] // out of scope
    [InlineData("<a xmlns:p=''/>", "not-well-formed")]
    [InlineData("<a xmlns:xmlns='urn:x'/>", "not-well-formed")]
    [InlineData("<a xmlns:xml='urn:x'/>", "not-well-formed")]
    [InlineData("<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", "not-well-formed")]
    [InlineData("<a xmlns='http://www.w3.org/XML/1998/namespace'/>", "not-well-formed")]
    [InlineData("<a xmlns='http://www.w3.org/2000/xmlns/'/>", "not-well-formed")]
    [InlineData("<xmlns:a/>", "not-well-formed")]
    [InlineData("<a xmlns='urn:a' xmlns='urn:b'/>", "not-well-formed")]
    [InlineData("<a xmlns:p='urn:a' xmlns:p='urn:b'/>", "not-well-formed")]
    // bad-format: well-formed, but no stream.
    [InlineData("text", "bad-format")]
    [InlineData("<a/>text", "bad-format")]
    [InlineData("<![CDATA[text]]>", "bad-format")]
    [InlineData("<![CDATA[]]>", "bad-format")]
    [InlineData("&#32;", "bad-format")]
    [InlineData("\uFEFF", "bad-format")]
    [InlineData("\u0000", "bad-format")]
    [InlineData("\u00A0<a/>", "bad-format")]
    // S1: smuggling.
    [InlineData("<stream:stream>", "bad-format")]
    [InlineData("<message><stream:stream xmlns='jabber:client'><iq/></stream:stream></message>", "bad-format")]
    [InlineData("<message><stream xmlns='http://etherx.jabber.org/streams'/></message>", "bad-format")]
    [InlineData("<message><s:stream xmlns:s='http://etherx.jabber.org/streams'/></message>", "bad-format")]
    [InlineData("</stream:stream><message/>", "bad-format")]
    [InlineData("</stream:stream></stream:stream>", "bad-format")]
    [InlineData("<message></stream:stream>", "not-well-formed")]
    // Not refused.
    [InlineData("</stream:stream> \n", null)]
    [InlineData("<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='en'/>", null)]
    [InlineData("<a xmlns=''><b/></a>", null)]
    [InlineData("<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x41;&#x10FFFF;&#9;</a>", null)]
    [InlineData("<a>]] ]> ]&#93;> &#93;]> ]]&gt;</a>", null)]
    [InlineData("<a xmlns:p='urn:p' b='1' p:b='2'/>", null)]
    [InlineData("<stream:features/><stream:error/>", null)]
    [InlineData(" \t\r\n<a\n b\n=\n'x'\r\t/> ", null)]
    [InlineData("<a></a\n>", null)]
    public void A_stream_is_refused_with(string inStream, string? condition)
    {
        var whole = ReaderDriver.Run(ReaderDriver.Header + inStream);
        Assert.Equal(condition, ReaderDriver.RefusalOf(whole));
        var bytes = Encoding.UTF8.GetBytes(ReaderDriver.Header + inStream);
        Assert.Equal(whole, ReaderDriver.Run(bytes.Select(b => Trees.Sequence([b]))));
    }

    [Theory]
    [InlineData("<?xml version='1.0'?>", null)]
    [InlineData("<?xml version=\"1.0\" encoding='utf-8' standalone='yes' ?>\n", null)]
    [InlineData(" \n", null)] // a keepalive that crossed the restart of the stream
    [InlineData("<?xml version='1.1'?>", "not-well-formed")]
    [InlineData("<?xml encoding='UTF-8'?>", "not-well-formed")]
    [InlineData("<?xml?>", "not-well-formed")]
    [InlineData("<?xml version='1.0'>", "not-well-formed")]
    [InlineData("<?xml version='1.0' encoding='ISO-8859-1'?>", "unsupported-encoding")]
    [InlineData("<?xml version='1.0' encoding='UTF-16'?>", "unsupported-encoding")]
    [InlineData("<?xml version='1.0'?><?xml version='1.0'?>", "restricted-xml")]
    [InlineData("<?xml-x version='1.0'?>", "restricted-xml")]
    [InlineData("<?XML version='1.0'?>", "restricted-xml")]
    [InlineData("<!DOCTYPE x>", "restricted-xml")]
    [InlineData("<!-- x -->", "restricted-xml")]
    [InlineData("\uFEFF", "bad-format")]
    [InlineData("GET / HTTP/1.1\r\n", "bad-format")]
    [InlineData("\u0016\u0003\u0001", "bad-format")] // TLS on a plain port
    [InlineData("</stream:stream>", "not-well-formed")]
    [InlineData("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>", "bad-format")]
    public void Before_the_header(string before, string? condition) =>
        Assert.Equal(condition, ReaderDriver.RefusalOf(ReaderDriver.Run(before + ReaderDriver.Header)));

    // In hexadecimal.
    [Theory]
    [InlineData("80")]
    [InlineData("BF")]
    [InlineData("C080")] // overlong
    [InlineData("C1BF")]
    [InlineData("C0BC")] // overlong '<'
    [InlineData("E080BC")]
    [InlineData("E09FBF")]
    [InlineData("F08080BC")]
    [InlineData("F08FBFBF")]
    [InlineData("EDA080")] // surrogates
    [InlineData("EDA0BDEDB880")]
    [InlineData("F4908080")] // beyond U+10FFFF
    [InlineData("F5808080")]
    [InlineData("FE")]
    [InlineData("FF")]
    [InlineData("C3")] // cut short
    [InlineData("E282")]
    [InlineData("F09F98")]
    [InlineData("E228A1")]
    public void Bytes_that_are_not_utf8_are_refused(string hex)
    {
        var bad = Convert.FromHexString(hex);
        var header = Encoding.UTF8.GetBytes(ReaderDriver.Header);
        foreach (var (before, after) in (((string, string)[])[("<a>", "</a>"), ("<a>\r", "&lt;</a>"), ("<a b='", "'/>"), ("<a b='\n", "'/>"), ("<a><![CDATA[", "]]></a>"), ("<a xmlns='", "'/>")]))
        {
            byte[] bytes = [.. header, .. Encoding.UTF8.GetBytes(before), .. bad, .. Encoding.UTF8.GetBytes(after)];
            Assert.Equal("unsupported-encoding", ReaderDriver.RefusalOf(ReaderDriver.Run(bytes)));
            Assert.Equal("unsupported-encoding", ReaderDriver.RefusalOf(ReaderDriver.Run(bytes.Select(b => Trees.Sequence([b])))));
        }
        Assert.Equal("not-well-formed", ReaderDriver.RefusalOf(ReaderDriver.Run([.. header, (byte)'<', .. bad, .. "/>"u8])));
        Assert.Equal("not-well-formed", ReaderDriver.RefusalOf(ReaderDriver.Run([.. header, .. "<a "u8, .. bad, .. "=''/>"u8])));
    }

    [Fact]
    public void A_reader_that_failed_stays_failed_until_it_is_reset()
    {
        var reader = new XmppReader(new XmppReaderLimits());
        var bad = new ReadOnlySequence<byte>("<!"u8.ToArray().Concat("--"u8.ToArray()).ToArray());
        Assert.Throws<StreamException>(() => reader.Read(ref bad));
        var good = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(ReaderDriver.Header));
        Assert.Equal(StreamCondition.RestrictedXml, Assert.Throws<StreamException>(() => reader.Read(ref good)).Condition);
        reader.Reset();
        Assert.Equal(XmppToken.StreamOpen, reader.Read(ref good));
        Assert.Equal(Ns.Client, reader.ContentNamespace);
    }

    [Fact]
    public void A_reset_forgets_the_stream()
    {
        var reader = new XmppReader(new XmppReaderLimits());
        var input = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(ReaderDriver.Header + "<message><body>half <"));
        Assert.Equal(XmppToken.StreamOpen, reader.Read(ref input));
        Assert.Equal(XmppToken.None, reader.Read(ref input));
        reader.Reset();
        input = new ReadOnlySequence<byte>("<stream xmlns='http://etherx.jabber.org/streams'><presence/></stream>"u8.ToArray());
        Assert.Equal(XmppToken.StreamOpen, reader.Read(ref input));
        Assert.Equal(Ns.Stream, reader.ContentNamespace);
        Assert.Equal(XmppToken.Element, reader.Read(ref input));
        Assert.True(reader.Element!.Is("presence", Ns.Stream));
        Assert.Equal(XmppToken.StreamClose, reader.Read(ref input));
    }

    [Theory]
    [InlineData("<a/>", null)]
    [InlineData("<a/> \n", null)]
    [InlineData(" <a/>", "bad-format")] // RFC 7395 section 3.3.3
    [InlineData("<?xml version='1.0'?><a/>", null)]
    [InlineData("", "not-well-formed")]
    [InlineData(" ", "bad-format")] // no keepalives in frames: WebSocket has pings
    [InlineData("<a", "not-well-formed")]
    [InlineData("<a>", "not-well-formed")]
    [InlineData("<a/><b/>", "bad-format")]
    [InlineData("<a/>x", "bad-format")]
    [InlineData("<a/><", "bad-format")]
    [InlineData("<a></a></a>", "bad-format")]
    [InlineData("x<a/>", "bad-format")]
    [InlineData("<a/><?xml version='1.0'?>", "bad-format")]
    [InlineData("<a/><!-- -->", "bad-format")]
    [InlineData("<!DOCTYPE a><a/>", "restricted-xml")]
    [InlineData("<stream:features/>", "not-well-formed")] // each frame declares its own prefixes
    [InlineData("<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>", "bad-format")]
    public void A_frame_is_refused_with(string frame, string? condition)
    {
        string? found = null;
        try
        {
            Assert.Equal("a", XmppReader.ReadFrame(new(Encoding.UTF8.GetBytes(frame)), new XmppReaderLimits()).Name);
        }
        catch (StreamException e)
        {
            found = Kebab.Of(e.Condition);
        }
        Assert.Equal(condition, found);
        Assert.Equal("", XmppReader.ReadFrame(new("<a/>"u8.ToArray()), new XmppReaderLimits()).Namespace); // nothing is left of it
    }

    [Fact]
    public void A_stored_stanza_is_read_in_its_namespace()
    {
        var element = new Element("message", Ns.Client).Add("x", "urn:x");
        Assert.Equal(Trees.Canonical(element), Trees.Canonical(XmppReader.ReadStored(XmppWriter.ToBytes(element, Ns.Client), Ns.Client)));
        Assert.Equal("", XmppReader.ReadFrame(new("<a/>"u8.ToArray()), new XmppReaderLimits()).Namespace);
    }

    [Fact]
    public void Limits_are_kept_to_the_byte()
    {
        var limits = new XmppReaderLimits(MaxElementBytes: 200, MaxDepth: 3, MaxAttributes: 4, MaxElements: 5);
        Assert.Null(ReaderDriver.Refusal($"<a>{new string('x', 193)}</a><a>{new string('x', 193)}</a>", limits));
        Assert.Equal("policy-violation", ReaderDriver.Refusal($"<a>{new string('x', 194)}</a>", limits));
        Assert.Equal("policy-violation", ReaderDriver.Refusal($"<a>{new string('x', 198)}", limits)); // before its end is there
        Assert.Equal("policy-violation", ReaderDriver.Refusal($"<a b='{new string('x', 195)}", limits));
        Assert.Equal("policy-violation", ReaderDriver.Refusal($"<{new string('a', 200)}", limits));
        Assert.Equal("policy-violation", ReaderDriver.Refusal($"<a><![CDATA[{new string('a', 200)}", limits));
        Assert.Null(ReaderDriver.Refusal(new string(' ', 10_000), limits)); // keepalives are none of it
        Assert.Equal("policy-violation", ReaderDriver.RefusalOf(ReaderDriver.Run($"<stream:stream to='{new string('a', 200)}", limits: limits)));

        Assert.Null(ReaderDriver.Refusal("<a><b><c/></b></a>", limits));
        Assert.Equal("policy-violation", ReaderDriver.Refusal("<a><b><c><d/></c></b></a>", limits));
        Assert.Null(ReaderDriver.Refusal("<a b='' c='' d='' xmlns:e='urn:e'/>", limits));
        Assert.Equal("policy-violation", ReaderDriver.Refusal("<a b='' c='' d='' e='' f=''/>", limits));
        Assert.Equal("policy-violation", ReaderDriver.Refusal("<a b='' c='' d='' xmlns:e='urn:e' xmlns:f='urn:f'/>", limits));
        Assert.Null(ReaderDriver.Refusal("<a><b/><b/><b/><b/></a><a/>", limits));
        Assert.Equal("policy-violation", ReaderDriver.Refusal("<a><b/><b/><b/><b/><b/></a>", limits));
    }

    [Fact]
    public void Limits_may_be_raised_within_a_stream()
    {
        var reader = new XmppReader(new XmppReaderLimits(MaxElementBytes: 150));
        var input = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(ReaderDriver.Header + "<a>" + new string('x', 1000) + "</a>"));
        Assert.Equal(XmppToken.StreamOpen, reader.Read(ref input));
        reader.Limits = new XmppReaderLimits();
        Assert.Equal(XmppToken.Element, reader.Read(ref input));
    }

    // S3: what a connection may make us hold and do is bounded by what it sends.
    [Fact]
    public void Memory_is_in_proportion_to_the_bytes()
    {
        var limits = new XmppReaderLimits();
        string[] attacks =
        [
            "<a>" + string.Concat(Enumerable.Repeat("<b/>", 9_990)) + "</a>",
            "<a>" + string.Concat(Enumerable.Repeat("<b c=''/>", 9_990)) + "</a>",
            "<a>" + string.Concat(Enumerable.Repeat("<b>x</b>", 9_990)) + "</a>",
            "<a>" + string.Concat(Enumerable.Repeat("<![CDATA[x]]>", 20_000)) + "</a>",
            "<a>" + string.Concat(Enumerable.Repeat("&#65;", 50_000)) + "</a>",
            "<a>" + string.Concat(Enumerable.Range(0, 9_990).Select(i => $"<n{i}/>")) + "</a>",
            "<a>" + string.Concat(Enumerable.Range(0, 9_990).Select(i => $"<n xmlns='u{i}'/>")) + "</a>",
            "<a>" + string.Concat(Enumerable.Range(0, 600).Select(i => $"<b {string.Concat(Enumerable.Range(0, 60).Select(j => $"a{j}='' "))}/>")) + "</a>",
            "<a b='" + new string('x', 260_000) + "'/>",
            "<a>" + new string('x', 260_000) + "</a>",
        ];
        foreach (var attack in attacks)
        {
            var bytes = Encoding.UTF8.GetBytes(ReaderDriver.Header + attack);
            Read(bytes, limits);
            var before = GC.GetAllocatedBytesForCurrentThread();
            Read(bytes, limits);
            var factor = (double)(GC.GetAllocatedBytesForCurrentThread() - before) / bytes.Length;
            Assert.True(factor < 40, $"{factor:F0} bytes for each byte of {attack[..40]}");
        }
    }

    [Fact]
    public void Time_is_in_proportion_to_the_bytes()
    {
        var limits = new XmppReaderLimits(MaxElementBytes: 4 << 20, MaxElements: 1_000_000);
        // A declared prefix at the bottom of as many declarations as the limits allow, looked up again and again.
        var declarations = string.Concat(Enumerable.Range(0, 60).Select(i => $" xmlns:p{i}='u'"));
        string[] attacks =
        [
            "<a b='" + new string('x', 1_000_000) + "'/>",
            "<a>" + new string('x', 1_000_000) + "</a>",
            "<a>" + new string(']', 1_000_000) + "</a>",
            "<a><![CDATA[" + new string(']', 1_000_000) + "]]></a>",
            "<a>" + string.Concat(Enumerable.Repeat("<![CDATA[]]>x", 80_000)) + "</a>",
            "<" + new string('a', 1_000_000) + "/>",
            "<a " + string.Concat(Enumerable.Repeat("'\"\"'", 250_000)) + "/>",
            $"<a xmlns:q='urn:q'><a{declarations}><a{declarations}><a{declarations}>" + string.Concat(Enumerable.Repeat("<q:b/>", 100_000)) + "</a></a></a></a>",
        ];
        var clock = Stopwatch.StartNew();
        foreach (var attack in attacks)
        {
            var bytes = Encoding.UTF8.GetBytes(ReaderDriver.Header + attack);
            var reader = new XmppReader(limits);
            try
            {
                // One byte at a time is the worst that a network can do; a quadratic scan would take hours here.
                for (var i = 0; i < bytes.Length; i++)
                {
                    var one = new ReadOnlySequence<byte>(bytes, i, 1);
                    while (reader.Read(ref one) != XmppToken.None)
                    {
                    }
                }
            }
            catch (StreamException)
            {
            }
        }
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"{clock.Elapsed}");
    }

    private static void Read(byte[] bytes, XmppReaderLimits limits)
    {
        var reader = new XmppReader(limits);
        var input = new ReadOnlySequence<byte>(bytes);
        Assert.Equal(XmppToken.StreamOpen, reader.Read(ref input));
        Assert.Equal(XmppToken.Element, reader.Read(ref input));
    }
}
