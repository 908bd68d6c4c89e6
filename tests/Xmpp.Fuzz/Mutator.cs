using System.Text;

namespace Indaba.Xmpp.Fuzz;

/// <summary>Makes new inputs of old ones: bytes changed, parts cut, doubled, exchanged, and the words of the grammar put in.</summary>
internal sealed class Mutator(IReadOnlyList<byte[]> corpus, int seed)
{
    private const int MaxLength = 8192;

    private static readonly byte[][] Words =
    [
        .. ((string[])["<", ">", "/>", "</", "<!--", "-->", "<![CDATA[", "]]>", "<?xml version='1.0'?>", "<!DOCTYPE", "&#", "&#x", "&lt;", "&amp;", ";", "'", "\"", "=", " ", "\r\n",
            "xmlns=''", "xmlns:p='urn:p'", "p:", "xml:lang='en'", "<stream:stream>", "</stream:stream>", "@", "/", "[::1]", "xn--", ".", "\u200C", "\u0130", "\uFF21", "\u05D0",
            "\u0660", "\uFFFE", "😀", "n,,", "n=", ",r=", ",p=", "c=biws", "p=tls-exporter,,", "=2C", "a="]).Select(Encoding.UTF8.GetBytes),
        [0], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xFF], [0xEF, 0xBB, 0xBF],
    ];

    private readonly Random _random = new(seed);

    /// <summary>The next input.</summary>
    public byte[] Next()
    {
        var input = corpus[_random.Next(corpus.Count)].ToList();
        for (var edits = _random.Next(1, 8); edits > 0; edits--) Edit(input);
        return input.Count > MaxLength ? [.. input.Take(MaxLength)] : [.. input];
    }

    private void Edit(List<byte> input)
    {
        var at = _random.Next(input.Count + 1);
        var length = Math.Min(_random.Next(1, 24), input.Count - at);
        switch (_random.Next(6))
        {
            case 0 when at < input.Count:
                input[at] = (byte)_random.Next(256);
                break;
            case 1:
                input.RemoveRange(at, length);
                break;
            case 2:
                input.InsertRange(at, input.GetRange(at, length));
                break;
            case 3:
                var other = corpus[_random.Next(corpus.Count)];
                var from = _random.Next(other.Length + 1);
                input.InsertRange(at, other[from..Math.Min(other.Length, from + _random.Next(64))]);
                break;
            case 4 when at < input.Count:
                input[at] ^= (byte)(1 << _random.Next(8));
                break;
            default:
                input.InsertRange(at, Words[_random.Next(Words.Length)]);
                break;
        }
    }
}
