using System.Buffers;
using System.Diagnostics;
using System.Text;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Fuzz;

/// <summary>Time and memory of the work that every message costs. A figure to look at, not a verdict.</summary>
internal static class Measure
{
    private const string Message =
        "<message to='bob@localhost' type='chat' id='b7c5a0de-6a3c-4c3d-9a53-2f0d7f5c7b11'><body>Shall we meet at seven in front of the station? I bring the tickets.</body>"
        + "<origin-id xmlns='urn:xmpp:sid:0' id='b7c5a0de-6a3c-4c3d-9a53-2f0d7f5c7b11'/><request xmlns='urn:xmpp:receipts'/></message>";

    public static void Run()
    {
        var message = Encoding.UTF8.GetBytes(Message);
        var chinese = Encoding.UTF8.GetBytes(Message.Replace("Shall we meet at seven in front of the station? I bring the tickets.", "我们七点在车站前见面，好吗？票由我来带。", StringComparison.Ordinal));
        var reader = new XmppReader(new XmppReaderLimits());
        var header = new ReadOnlySequence<byte>("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"u8.ToArray());
        reader.Read(ref header);

        Time($"parse, {message.Length} bytes", () => Parse(reader, message));
        Time($"parse, Chinese, {chinese.Length} bytes", () => Parse(reader, chinese));
        var halves = ((ReadOnlyMemory<byte>)message, message.Length / 2);
        Time("parse, in two arrivals", () =>
        {
            var first = new ReadOnlySequence<byte>(halves.Item1[..halves.Item2]);
            reader.Read(ref first);
            var second = new ReadOnlySequence<byte>(halves.Item1[halves.Item2..]);
            reader.Read(ref second);
        });
        var framed = Encoding.UTF8.GetBytes(Message.Replace("<message ", "<message xmlns='jabber:client' ", StringComparison.Ordinal));
        Time("parse, as a frame", () => XmppReader.ReadFrame(new ReadOnlySequence<byte>(framed), reader.Limits));
        var element = Parse(reader, message);
        var output = new ArrayBufferWriter<byte>(4096);
        Time("write", () =>
        {
            output.ResetWrittenCount();
            XmppWriter.Write(output, element, Ns.Client);
        });
        Time("Jid.Parse, full", () => Jid.Parse("bob@localhost/phone"));
        Time("Jid.Parse, bare", () => Jid.Parse("bob@localhost"));
        Time("Jid.Parse, beyond ASCII", () => Jid.Parse("用户@例子.localhost/手机"));
    }

    private static Element Parse(XmppReader reader, byte[] bytes)
    {
        var input = new ReadOnlySequence<byte>(bytes);
        if (reader.Read(ref input) != XmppToken.Element) throw new InvalidOperationException("no element");
        return reader.Element!;
    }

    private static void Time(string what, Action action)
    {
        const int rounds = 8, calls = 200_000;
        // Long enough for the compiler's last tier.
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < 1;) action();
        var best = double.MaxValue;
        var bytes = 0L;
        for (var round = 0; round < rounds; round++)
        {
            var allocated = GC.GetAllocatedBytesForCurrentThread();
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < calls; i++) action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / calls);
            bytes = (GC.GetAllocatedBytesForCurrentThread() - allocated) / calls;
        }
        Console.WriteLine($"{what,-32} {best,8:F0} ns {bytes,7} B");
    }
}
