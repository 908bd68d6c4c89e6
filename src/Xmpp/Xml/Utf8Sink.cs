using System.Buffers;
using System.Buffers.Text;
using System.Text.Unicode;

namespace Indaba.Xmpp.Xml;

/// <summary>Puts bytes and escaped text into an <see cref="IBufferWriter{T}"/>, asking it for memory seldom.</summary>
internal ref struct Utf8Sink(IBufferWriter<byte> output)
{
    private const int Chunk = 1024; // characters encoded at once; three bytes each at most
    private Span<byte> _free = output.GetSpan(256);
    private int _used = 0;

    /// <summary>Hands over what was written.</summary>
    public void Flush()
    {
        output.Advance(_used);
        _free = default;
        _used = 0;
    }

    /// <summary>Bytes as they are.</summary>
    public void Raw(ReadOnlySpan<byte> bytes)
    {
        Ensure(bytes.Length);
        bytes.CopyTo(_free[_used..]);
        _used += bytes.Length;
    }

    /// <summary>A name, which needs no escapes.</summary>
    public void Name(string name) => Encode(name);

    /// <summary>A number in decimal.</summary>
    public void Number(int number)
    {
        Ensure(11);
        Utf8Formatter.TryFormat(number, _free[_used..], out var written);
        _used += written;
    }

    /// <summary>Character data.</summary>
    public void Text(ReadOnlySpan<char> text) => Escape(text, XmlChars.TextEscapes);

    /// <summary>An attribute value, for either kind of quotes.</summary>
    public void Value(ReadOnlySpan<char> value) => Escape(value, XmlChars.ValueEscapes);

    private void Escape(ReadOnlySpan<char> text, SearchValues<char> escapes)
    {
        while (!text.IsEmpty)
        {
            var plain = text.IndexOfAny(escapes);
            Encode(plain < 0 ? text : text[..plain]);
            if (plain < 0) return;
            Raw(text[plain] switch
            {
                '&' => "&amp;"u8,
                '<' => "&lt;"u8,
                '>' => "&gt;"u8,
                '"' => "&quot;"u8,
                '\'' => "&apos;"u8,
                '\t' => "&#9;"u8,
                '\n' => "&#10;"u8,
                '\r' => "&#13;"u8,
                _ => "\uFFFD"u8,
            });
            text = text[(plain + 1)..];
        }
    }

    // Without escapes; lone surrogates, U+FFFE and U+FFFF become U+FFFD.
    private void Encode(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            var take = Math.Min(text.Length, Chunk);
            if (take < text.Length && char.IsHighSurrogate(text[take - 1])) take--;
            Ensure(take * 3);
            Utf8.FromUtf16(text[..take], _free[_used..], out _, out var written);
            // U+FFFE and U+FFFF are EF BF BE and EF BF BF: as long as U+FFFD, so they are overwritten.
            if (written != take) ReplaceNonCharacters(_free.Slice(_used, written));
            _used += written;
            text = text[take..];
        }
    }

    private static ReadOnlySpan<byte> NonCharacter => [0xEF, 0xBF];

    private static void ReplaceNonCharacters(Span<byte> utf8)
    {
        var from = 0;
        while (utf8[from..].IndexOf(NonCharacter) is var found and >= 0)
        {
            from += found + 2;
            if (utf8[from] >= 0xBE) utf8[from] = 0xBD;
        }
    }

    private void Ensure(int bytes)
    {
        if (_free.Length - _used >= bytes) return;
        output.Advance(_used);
        _free = output.GetSpan(Math.Max(bytes, 256));
        _used = 0;
    }
}
