namespace Indaba.Load;

/// <summary>
/// Finds where first-level elements end, and nothing more: a load generator must cost less than the server it measures.
/// It trusts the server to send well-formed XML without CDATA.
/// </summary>
internal struct ElementScanner
{
    private int _depth;
    private int _at; // scanned so far in the current element

    /// <summary>The length of the first complete element in <paramref name="buffer"/>, 0 when there is none yet. White space before it belongs to it.</summary>
    public int Next(ReadOnlySpan<byte> buffer)
    {
        while (true)
        {
            var open = buffer[_at..].IndexOf((byte)'<');
            if (open < 0)
            {
                _at = buffer.Length;
                return 0;
            }
            var start = _at + open;
            var end = TagEnd(buffer, start + 1);
            if (end < 0)
            {
                _at = start;
                return 0;
            }
            _at = end + 1;
            if (buffer[start + 1] == '/') _depth--;
            else if (buffer[end - 1] != '/') _depth++;
            if (_depth > 0) continue;
            var length = _at;
            _at = 0;
            _depth = 0;
            return length;
        }
    }

    private static int TagEnd(ReadOnlySpan<byte> buffer, int from)
    {
        while (true)
        {
            var found = buffer[from..].IndexOfAny((byte)'>', (byte)'\'', (byte)'"');
            if (found < 0) return -1;
            from += found;
            if (buffer[from] == '>') return from;
            var close = buffer[(from + 1)..].IndexOf(buffer[from]);
            if (close < 0) return -1;
            from += close + 2;
        }
    }
}
