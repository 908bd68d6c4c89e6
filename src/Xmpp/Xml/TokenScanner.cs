using Indaba.Xmpp.Streams;

namespace Indaba.Xmpp.Xml;

/// <summary>
/// Finds where a token ends (text before a tag, a tag, a CDATA section) without looking at any byte twice, however
/// the bytes arrive. Refuses what may not begin at all: comments, DTDs, processing instructions.
/// </summary>
internal struct TokenScanner
{
    private const byte DoubleQuote = (byte)'"', Quote = (byte)'\'', Less = (byte)'<', Greater = (byte)'>';

    private State _state;
    private byte _quote;
    private int _seen; // of an opening that is not told yet, or of a closing "]]>"

    private enum State { Start, Opening, Declaration, CDataOpening, Text, Tag, CData }

    /// <summary>What the token under way is.</summary>
    public readonly TokenKind Kind => _state switch
    {
        State.Text => TokenKind.Text,
        State.Tag => TokenKind.Tag,
        State.CData or State.CDataOpening => TokenKind.CData,
        _ => TokenKind.Declaration,
    };

    /// <summary>Looks on in the next bytes: how many belong to the token when its end is there, or -1 when all do and more is to come.</summary>
    /// <param name="data">The bytes after those seen.</param>
    /// <param name="mayDeclare">True where an XML declaration may stand.</param>
    public int Scan(ReadOnlySpan<byte> data, bool mayDeclare)
    {
        var at = 0;
        while (at < data.Length)
        {
            switch (_state)
            {
                case State.Start:
                    _state = data[at] == Less ? State.Opening : State.Text;
                    if (_state == State.Opening) at++;
                    break;
                case State.Opening:
                    Open(data[at], mayDeclare);
                    if (_state == State.Tag) break; // the byte may be the whole of it: look again
                    at++;
                    break;
                case State.CDataOpening:
                    OpenCData(data[at++]);
                    if (_seen == 7) (_state, _seen) = (State.CData, 0);
                    break;
                case State.Text:
                    var less = data[at..].IndexOf(Less);
                    return less < 0 ? -1 : at + less;
                case State.Tag or State.Declaration:
                    var end = TagEnd(data[at..]);
                    return end < 0 ? -1 : at + end;
                default:
                    var close = CDataEnd(data[at..]);
                    return close < 0 ? -1 : at + close;
            }
        }
        return -1;
    }

    private void Open(byte next, bool mayDeclare)
    {
        switch (next)
        {
            case (byte)'?':
                if (!mayDeclare) throw Restricted("a processing instruction");
                _state = State.Declaration;
                break;
            case (byte)'!':
                _state = State.CDataOpening;
                break;
            default:
                _state = State.Tag;
                break;
        }
    }

    private void OpenCData(byte next)
    {
        if (_seen == 0 && (next == '-' || char.IsAsciiLetter((char)next))) throw Restricted("a comment or a DTD");
        if (next != "[CDATA["u8[_seen++]) throw new StreamException(StreamCondition.NotWellFormed, "a malformed section");
    }

    private int TagEnd(ReadOnlySpan<byte> data)
    {
        var at = 0;
        while (at < data.Length)
        {
            var found = _quote == 0 ? data[at..].IndexOfAny(Greater, DoubleQuote, Quote) : data[at..].IndexOf(_quote);
            if (found < 0) return -1;
            at += found;
            if (_quote != 0) _quote = 0;
            else if (data[at] == Greater) return at + 1;
            else _quote = data[at];
            at++;
        }
        return -1;
    }

    private int CDataEnd(ReadOnlySpan<byte> data)
    {
        for (var at = 0; at < data.Length; at++)
        {
            if (_seen == 0)
            {
                var bracket = data[at..].IndexOf((byte)']');
                if (bracket < 0) return -1;
                at += bracket;
                _seen = 1;
            }
            else if (data[at] == ']')
            {
                _seen = 2; // "]]]>" ends too
            }
            else if (_seen == 2 && data[at] == Greater)
            {
                return at + 1;
            }
            else
            {
                _seen = 0;
            }
        }
        return -1;
    }

    private static StreamException Restricted(string what) => new(StreamCondition.RestrictedXml, what);
}

/// <summary>The kinds of token.</summary>
internal enum TokenKind { Text, Tag, CData, Declaration }
