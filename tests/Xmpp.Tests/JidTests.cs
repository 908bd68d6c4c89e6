using CsCheck;

namespace Indaba.Xmpp.Tests;

public class JidTests
{
    // RFC 7622 section 3.5, table 1.
    [Theory]
    [InlineData("juliet@example.com", "juliet", "example.com", null)]
    [InlineData("juliet@example.com/foo", "juliet", "example.com", "foo")]
    [InlineData("juliet@example.com/foo bar", "juliet", "example.com", "foo bar")]
    [InlineData("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar")]
    [InlineData("foo\\20bar@example.com", "foo\\20bar", "example.com", null)]
    [InlineData("fussball@example.com", "fussball", "example.com", null)]
    [InlineData("fu\u00DFball@example.com", "fu\u00DFball", "example.com", null)]
    [InlineData("\u03C0@example.com", "\u03C0", "example.com", null)]
    [InlineData("\u03A3@example.com/foo", "\u03C3", "example.com", "foo")]
    [InlineData("\u03C3@example.com/foo", "\u03C3", "example.com", "foo")]
    [InlineData("\u03C2@example.com/foo", "\u03C2", "example.com", "foo")]
    [InlineData("king@example.com/\u265A", "king", "example.com", "\u265A")]
    [InlineData("example.com", null, "example.com", null)]
    [InlineData("example.com/foobar", null, "example.com", "foobar")]
    [InlineData("a.example.com/b@example.net", null, "a.example.com", "b@example.net")]
    // Table 2 has it as invalid; erratum 4560 says that a leading space in a resourcepart is allowed.
    [InlineData("juliet@example.com/ foo", "juliet", "example.com", " foo")]
    // Preparation.
    [InlineData("Juliet@EXAMPLE.com/Foo", "juliet", "example.com", "Foo")]
    [InlineData("juliet@example.com./foo", "juliet", "example.com", "foo")]
    [InlineData("\uFF2A\uFF35\uFF2C@example.com", "jul", "example.com", null)] // full width
    [InlineData("e\u0301@example.com", "\u00E9", "example.com", null)] // NFC
    [InlineData("a@example.com/e\u0301\u00A0\u3000x", "a", "example.com", "\u00E9  x")] // OpaqueString: spaces, NFC
    [InlineData("a@example.com/\uFF21", "a", "example.com", "\uFF21")] // and no width mapping
    [InlineData("\u0130@example.com", "i\u0307", "example.com", null)]
    [InlineData("a@xn--mnchen-3ya.example", "a", "m\u00FCnchen.example", null)]
    [InlineData("a@M\u00DCNCHEN.example", "a", "m\u00FCnchen.example", null)]
    [InlineData("a@fa\u00DF.example", "a", "fa\u00DF.example", null)] // IDNA2008 keeps sharp s
    [InlineData("a@xn--fa-hia.example", "a", "fa\u00DF.example", null)]
    [InlineData("a@\u4F8B\u3048\u3002jp", "a", "\u4F8B\u3048.jp", null)] // ideographic full stop
    [InlineData("a@127.0.0.1", "a", "127.0.0.1", null)]
    [InlineData("a@[::1]/r", "a", "[::1]", "r")]
    [InlineData("a@[2001:DB8:0::1]", "a", "[2001:db8::1]", null)]
    // Context rules (RFC 5892 appendix A).
    [InlineData("l\u00B7l@x", "l\u00B7l", "x", null)]
    [InlineData("\u0375\u03B1@x", "\u0375\u03B1", "x", null)]
    [InlineData("\u05D0\u05F3@x", "\u05D0\u05F3", "x", null)]
    [InlineData("\u30A2\u30FB\u30A2@x", "\u30A2\u30FB\u30A2", "x", null)]
    [InlineData("\u0915\u094D\u200D@x", "\u0915\u094D\u200D", "x", null)] // ZWJ after virama
    [InlineData("\u0628\u200C\u0628@x", "\u0628\u200C\u0628", "x", null)] // ZWNJ between joining letters
    // Right to left.
    [InlineData("\u05D0\u05D1@x", "\u05D0\u05D1", "x", null)]
    [InlineData("\u05D01@x", "\u05D01", "x", null)]
    [InlineData("\u0627\u0660@x", "\u0627\u0660", "x", null)]
    public void Valid(string text, string? local, string domain, string? resource)
    {
        var jid = Jid.Parse(text);
        Assert.Equal((local, domain, resource), (jid.Local, jid.Domain, jid.Resource));
        Assert.Equal(jid, Jid.Parse(jid.ToString()));
        Assert.True(Jid.TryCreate(local, domain, resource, out var made));
        Assert.Equal(jid, made);
        Assert.Equal(jid.ToString(), made.ToString());
    }

    [Theory]
    // RFC 7622 section 3.5, table 2 (without the one that erratum 4560 takes back).
    [InlineData("\"juliet\"@example.com")]
    [InlineData("foo bar@example.com")]
    [InlineData("@example.com/")]
    [InlineData("henry\u2163@example.com")]
    [InlineData("\u265A@example.com")]
    [InlineData("juliet@")]
    [InlineData("/foobar")]
    // Empty parts.
    [InlineData("")]
    [InlineData("@")]
    [InlineData("@example.com")]
    [InlineData("a@example.com/")]
    [InlineData("a@/r")]
    [InlineData("a@.")]
    [InlineData(".")]
    // Localparts (section 3.3.1, and what the IdentifierClass refuses).
    [InlineData("a&b@x")]
    [InlineData("a'b@x")]
    [InlineData("a:b@x")]
    [InlineData("a<b@x")]
    [InlineData("a>b@x")]
    [InlineData("a\tb@x")]
    [InlineData("a\u007Fb@x")]
    [InlineData("a\u00ADb@x")] // soft hyphen: default ignorable
    [InlineData("a\u200Bb@x")]
    [InlineData("a\u202Eb@x")] // right-to-left override
    [InlineData("a\uFE0Fb@x")]
    [InlineData("\u1100\u1161@x\u0000")]
    [InlineData("\u115F@x")] // Hangul filler
    [InlineData("\uE000@x")] // private use
    [InlineData("\u0378@x")] // unassigned
    [InlineData("\uFFFE@x")]
    [InlineData("a\u00B7b@x")] // middle dot not between l
    [InlineData("\u0375@x")]
    [InlineData("a\u05F3@x")]
    [InlineData("a\u30FBb@x")]
    [InlineData("a\u200Db@x")]
    [InlineData("a\u200Cb@x")]
    [InlineData("\u0660\u06F0@x")]
    [InlineData("\u0640\u0627@x")] // tatweel
    // The Bidi Rule (RFC 5893 section 2).
    [InlineData("1\u05D0@x")]
    [InlineData("\u05D0a@x")]
    [InlineData("a\u05D0@x")]
    [InlineData("\u05D0-@x")]
    [InlineData("\u06271\u0660@x")]
    // Domains.
    [InlineData("a@b@c")]
    [InlineData("a@-b.c")]
    [InlineData("a@b-.c")]
    [InlineData("a@b..c")]
    [InlineData("a@b c")]
    [InlineData("a@b_c")]
    [InlineData("a@\u265A.example")]
    [InlineData("a@xn--.example")]
    [InlineData("a@xn--a.example")]
    [InlineData("a@xn--zzzzzzzzzz9999999.example")]
    [InlineData("a@[::1")]
    [InlineData("a@[127.0.0.1]")]
    [InlineData("a@[fe80::1%eth0]")]
    [InlineData("a@[[::1]]")]
    [InlineData("a@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example")] // a label of 64
    // Resourceparts.
    [InlineData("a@x/\u0000")]
    [InlineData("a@x/a\nb")]
    [InlineData("a@x/\uFFFF")]
    [InlineData("a@x/\uE000")]
    [InlineData("a@x/\u200B")]
    public void Invalid(string text)
    {
        Assert.False(Jid.TryParse(text, out var jid));
        Assert.True(jid.IsEmpty);
        Assert.Throws<FormatException>(() => Jid.Parse(text));
    }

    [Fact]
    public void Lone_surrogates_are_refused()
    {
        // Not as attribute arguments: metadata is UTF-8 and would replace them.
        foreach (var text in (string[])["\uD800@x", "a\uDC00@x", "a@\uD800.example", "a@x/\uDC00", "a@x/\uD83D"]) Assert.False(Jid.TryParse(text, out _));
    }

    [Fact]
    public void A_part_has_at_most_1023_bytes()
    {
        static string Many(string s, int bytes) => string.Concat(Enumerable.Repeat(s, bytes / System.Text.Encoding.UTF8.GetByteCount(s)));
        var host = string.Concat(Enumerable.Repeat(new string('a', 62) + ".", 16)) + new string('b', 15);
        Assert.Equal(1023, host.Length);
        Assert.Equal(1023 * 3 + 2, Jid.Parse($"{new string('a', 1023)}@{host}/{new string('a', 1023)}").ToString().Length);
        Assert.True(Jid.TryParse(Many("界", 1023) + "@x", out _));
        Assert.False(Jid.TryParse(Many("界", 1023) + "a@x", out _));
        Assert.False(Jid.TryParse(new string('a', 1024) + "@x", out _));
        Assert.False(Jid.TryParse("a@" + host + "b", out _));
        Assert.True(Jid.TryParse("a@x/" + Many("é", 1022) + "b", out _));
        Assert.False(Jid.TryParse("a@x/" + Many("é", 1022) + "bb", out _));
        Assert.False(Jid.TryParse(new string('a', 10_000_000), out _)); // S8
        Assert.False(Jid.TryCreate(new string('é', 1_000_000), "x", null, out _));
    }

    private static readonly Gen<string> Part = Gen.Frequency(
        (4, Gen.Char['\u0020', '\u007E']),
        (2, Gen.Char['\u00A0', '\u05FF']),
        (2, Gen.Char['\u0600', '\uFFFF']),
        (1, Gen.OneOfConst('\u200C', '\u200D', '\uFF21', '\uFF76', '\uFF9E', '\u212A', '\u1E9E', '\u0345', '\u03A3', '\u0130', '\u0344', '\u1F80', '\u0340', '\uAC00', '\u1100', '\u1161')))
        .Array[1, 6].Select(c => new string(c));

    [Fact]
    public void Preparing_is_idempotent() => Gen.Select(Part.Null(0.1), Part, Part.Null()).Sample((local, domain, resource) =>
    {
        Check(local is null ? "example.com" : local + "@example.com");
        Check("a@" + domain);
        Check("a@example.com/" + resource);
        Check($"{local}@{domain}/{resource}");
        static void Check(string text)
        {
            if (!Jid.TryParse(text, out var once)) return;
            Assert.Equal(once, Jid.Parse(once.ToString()));
            Assert.Equal(once.ToString(), Jid.Parse(once.ToString()).ToString());
            Assert.True(Jid.TryCreate(once.Local, once.Domain, once.Resource, out var made));
            Assert.Equal(once, made);
        }
    }, iter: 50_000);

    [Fact]
    public void Every_single_code_point_is_idempotent_in_each_part()
    {
        for (var code = 1; code < 0x30000; code++)
        {
            if (code is >= 0xD800 and <= 0xDFFF) continue;
            var c = char.ConvertFromUtf32(code);
            foreach (var text in (string[])[c + "@x", "a" + c + "@x", c, "a@x/" + c, "l" + c + "\u0301@x"])
            {
                if (Jid.TryParse(text, out var jid) && Jid.Parse(jid.ToString()) != jid) Assert.Fail($"U+{code:X4} in {text}");
            }
        }
    }

    [Fact]
    public void A_resource_can_be_added_and_left_out()
    {
        var bare = Jid.Parse("Juliet@example.com");
        Assert.True(bare.IsBare);
        Assert.True(bare.TryWithResource("balcony", out var full));
        Assert.True(full.IsFull);
        Assert.Equal("juliet@example.com/balcony", full.ToString());
        Assert.Equal(Jid.Parse("juliet@example.com/balcony"), full);
        Assert.Equal(bare, full.Bare);
        Assert.Equal("juliet@example.com", full.Bare.ToString());
        Assert.Equal(bare.GetHashCode(), full.Bare.GetHashCode());
        Assert.False(bare.TryWithResource("", out _));
        Assert.False(bare.TryWithResource("\u0001", out _));
        Assert.False(default(Jid).TryWithResource("a", out _));
        Assert.Equal("", default(Jid).ToString());
        Assert.NotEqual(default, bare);
    }

    [Fact]
    public void A_prepared_address_keeps_its_text()
    {
        var text = new string("juliet@example.com/balcony");
        Assert.Same(text, Jid.Parse(text).ToString());
    }
}
