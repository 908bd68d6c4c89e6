using System.Buffers;
using System.Text;

namespace Indaba.Server.Cluster;

/// <summary>Writes what goes over a link: numbers as 7 bits a byte, text and bytes with their length before them.</summary>
internal sealed class LinkWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(4096);

    /// <summary>Bytes written.</summary>
    public int Length => _buffer.WrittenCount;

    public void Number(ulong value)
    {
        var span = _buffer.GetSpan(10);
        var n = 0;
        for (; value >= 0x80; value >>= 7) span[n++] = (byte)(value | 0x80);
        span[n++] = (byte)value;
        _buffer.Advance(n);
    }

    public void Bytes(ReadOnlySpan<byte> value)
    {
        Number((ulong)value.Length);
        _buffer.Write(value);
    }

    /// <summary>Bytes without a length: the rest of a payload.</summary>
    public void Raw(ReadOnlySpan<byte> value) => _buffer.Write(value);

    public void Text(string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        Number((ulong)length);
        _buffer.Advance(Encoding.UTF8.GetBytes(value, _buffer.GetSpan(length)));
    }

    /// <summary>A text that may be null.</summary>
    public void Optional(string? value)
    {
        Number(value is null ? 0UL : 1UL);
        if (value is not null) Text(value);
    }

    /// <summary>A copy of what was written; the writer is empty then.</summary>
    public byte[] Take()
    {
        var bytes = _buffer.WrittenSpan.ToArray();
        if (_buffer.Capacity > 1 << 20) _buffer.Clear();
        _buffer.ResetWrittenCount();
        return bytes;
    }
}

/// <summary>Reads what <see cref="LinkWriter"/> wrote. What it gives out are slices of the batch.</summary>
internal struct LinkReader(ReadOnlyMemory<byte> data)
{
    private int _at;

    /// <summary>True when all was read.</summary>
    public readonly bool AtEnd => _at >= data.Length;

    public ulong Number()
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            if (shift > 63 || _at >= data.Length) throw new InvalidDataException("a number of a link that does not end");
            var next = data.Span[_at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
    }

    public ReadOnlyMemory<byte> Bytes()
    {
        var length = Number();
        if (length > (ulong)(data.Length - _at)) throw new InvalidDataException("a length of a link that is beyond its batch");
        var bytes = data.Slice(_at, (int)length);
        _at += (int)length;
        return bytes;
    }

    public string Text() => Encoding.UTF8.GetString(Bytes().Span);

    public string? Optional() => Number() == 0 ? null : Text();
}
