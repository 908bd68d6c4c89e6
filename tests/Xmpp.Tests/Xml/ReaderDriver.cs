using System.Buffers;
using System.Text;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Tests.Xml;

/// <summary>Reads whole inputs and tells what came out in a form that can be compared.</summary>
internal static class ReaderDriver
{
    public const string Header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";

    /// <summary>Everything that comes out of a stream whose bytes arrive in these pieces: tokens, then the condition it failed with, if any.</summary>
    public static List<string> Run(IEnumerable<ReadOnlySequence<byte>> arrivals, bool framed = false, XmppReaderLimits? limits = null)
    {
        var reader = new XmppReader(limits ?? new XmppReaderLimits(), framed);
        var found = new List<string>();
        try
        {
            foreach (var arrival in arrivals)
            {
                var rest = arrival;
                while (reader.Read(ref rest) is var token and not XmppToken.None)
                {
                    found.Add(token + (reader.Element is { } e ? " " + Trees.Canonical(e) : ""));
                }
                Assert.True(rest.IsEmpty);
                Assert.Null(reader.Element);
            }
        }
        catch (StreamException e)
        {
            found.Add("! " + Kebab.Of(e.Condition));
        }
        return found;
    }

    public static List<string> Run(string xml, bool framed = false, XmppReaderLimits? limits = null) => Run(Encoding.UTF8.GetBytes(xml), framed, limits);

    public static List<string> Run(byte[] bytes, bool framed = false, XmppReaderLimits? limits = null) =>
        Run([new ReadOnlySequence<byte>(bytes)], framed, limits);

    /// <summary>The condition that a stream is refused with when this comes after its header; null when it is not refused.</summary>
    public static string? Refusal(string inStream, XmppReaderLimits? limits = null) => RefusalOf(Run(Header + inStream, limits: limits));

    /// <summary>The condition in what came out.</summary>
    public static string? RefusalOf(List<string> found) => found.LastOrDefault() is ['!', ' ', .. var condition] ? condition : null;

    /// <summary>The one element that comes after a header.</summary>
    public static Element ReadOne(string inStream) => ReadOne(Encoding.UTF8.GetBytes(inStream));

    /// <summary>The one element that comes after a header.</summary>
    public static Element ReadOne(byte[] inStream)
    {
        var reader = new XmppReader(new XmppReaderLimits(MaxElementBytes: 4 << 20));
        var input = Trees.Sequence(Encoding.UTF8.GetBytes(Header), inStream);
        Assert.Equal(XmppToken.StreamOpen, reader.Read(ref input));
        Assert.Equal(XmppToken.Element, reader.Read(ref input));
        var element = reader.Element!;
        Assert.Equal(XmppToken.None, reader.Read(ref input));
        return element;
    }
}
