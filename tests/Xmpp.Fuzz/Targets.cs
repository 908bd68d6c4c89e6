using System.Buffers;
using System.Text;
using System.Xml;
using Indaba.Xmpp.Sasl;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Fuzz;

/// <summary>What is fuzzed. Each target throws when a promise is broken: another exception than the protocol's own, or two answers to one input.</summary>
internal static class Targets
{
    private static readonly XmppReaderLimits Limits = new(MaxElementBytes: 16_384, MaxDepth: 16, MaxAttributes: 16, MaxElements: 200);
    private static readonly byte[] Header = Encoding.UTF8.GetBytes("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");

    public static readonly IReadOnlyDictionary<string, Action<byte[]>> All = new Dictionary<string, Action<byte[]>>
    {
        ["stream"] = Stream,
        ["frame"] = Frame,
        ["jid"] = Address,
        ["sasl"] = Login,
    };

    // A stream gives the same tokens whole and cut; the input's first byte says how long the pieces are.
    private static void Stream(byte[] input)
    {
        var whole = Tokens([input]);
        var size = input.Length == 0 ? 1 : 1 + input[0] % 32;
        Same(whole, Tokens(input.Chunk(size)));
        Same(Tokens([[.. Header, .. input]]), Tokens(((byte[][])[Header]).Concat(input.Chunk(size))));
    }

    // A frame that is accepted means the same after it was written and read again, and System.Xml accepts it too.
    private static void Frame(byte[] input)
    {
        Element element;
        try
        {
            element = XmppReader.ReadFrame(new ReadOnlySequence<byte>(input), Limits);
        }
        catch (StreamException)
        {
            return;
        }
        if (!MayHaveNewNames(Encoding.UTF8.GetString(input))) ReadByOthers(input);
        var once = XmppWriter.ToBytes(element, "");
        // Escapes and declarations make it longer than what came in, so the limits are no measure the second time.
        var again = XmppWriter.ToBytes(XmppReader.ReadStored(once, ""), "");
        Same(Encoding.UTF8.GetString(once), Encoding.UTF8.GetString(again));
        var inClient = XmppWriter.ToBytes(element, Ns.Client);
        Same(Encoding.UTF8.GetString(once), XmppWriter.ToString(XmppReader.ReadStored(inClient, Ns.Client)));
    }

    private static void ReadByOthers(byte[] input)
    {
        using var reader = XmlReader.Create(new MemoryStream(input), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null });
        while (reader.Read())
        {
        }
    }

    // System.Xml knows names by the fourth edition of XML 1.0, we by the fifth; prefixes are names too.
    private static bool MayHaveNewNames(string text) => text.EnumerateRunes().Any(r => !r.IsAscii && !XmlReader.IsName(r.ToString()));

    // An address is the same after it was prepared once more.
    private static void Address(byte[] input)
    {
        if (!Jid.TryParse(Encoding.UTF8.GetString(input), out var jid)) return;
        if (!Jid.TryParse(jid.ToString(), out var again) || again != jid) throw new InvalidOperationException($"'{jid}' is not prepared");
        if (!Jid.TryCreate(jid.Local, jid.Domain, jid.Resource, out var made) || made != jid) throw new InvalidOperationException($"'{jid}' is not made of its parts");
    }

    private static void Login(byte[] input)
    {
        var bindings = new ChannelBindings([1], [2]);
        Refusable(() => Plain.Parse(input));
        Refusable(() => new HashedToken(new HashedTokenMechanism(ScramHash.Sha256, null), input, bindings).TryVerify("token", out _));
        Refusable(() =>
        {
            var server = new ScramServer(ScramHash.Sha256, plus: true, input, bindings, plusOffered: true);
            server.Challenge(ScramKeys.Fake(ScramHash.Sha256, server.Username, [1], 1));
            server.Finish(input);
        });
        Refusable(() =>
        {
            var server = new ScramServer(ScramHash.Sha1, plus: false, "n,,n=user,r=nonce"u8, bindings, plusOffered: false);
            server.Challenge(ScramKeys.Fake(ScramHash.Sha1, "user", [1], 1));
            server.Finish(input);
            throw new InvalidOperationException("somebody got in");
        });

        static void Refusable(Action action)
        {
            try
            {
                action();
            }
            catch (SaslException)
            {
            }
        }
    }

    private static string Tokens(IEnumerable<byte[]> pieces)
    {
        var reader = new XmppReader(Limits);
        var found = new StringBuilder();
        try
        {
            foreach (var piece in pieces)
            {
                var rest = new ReadOnlySequence<byte>(piece);
                while (reader.Read(ref rest) is var token and not XmppToken.None) found.Append(token).Append(reader.Element).Append('\n');
                if (!rest.IsEmpty) throw new InvalidOperationException("bytes were left behind");
            }
        }
        catch (StreamException e)
        {
            found.Append(e.Condition);
        }
        return found.ToString();
    }

    private static void Same(string one, string other)
    {
        if (one != other) throw new InvalidOperationException($"two answers:\n{one}\n---\n{other}");
    }
}
