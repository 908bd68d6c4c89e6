using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CsCheck;
using Indaba.Xmpp.Sasl;

namespace Indaba.Xmpp.Tests;

public class SaslTests
{
    private static readonly byte[] Secret = "a secret of the server"u8.ToArray();

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);

    private static SaslCondition Condition(Action action) => Assert.Throws<SaslException>(action).Condition;

    private static SaslCondition Condition(Func<object> action) => Assert.Throws<SaslException>(action).Condition;

    [Theory]
    // RFC 5802 section 5 and RFC 7677 section 3.
    [InlineData(ScramHash.Sha1, "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
        "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=")]
    [InlineData(ScramHash.Sha256, "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==",
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")]
    public void Scram_gives_the_exchange_of_the_rfc(ScramHash hash, string clientNonce, string serverNonce, string salt, string proof, string signature)
    {
        var client = new ScramClient(hash, "user", "pencil", null, false, null, clientNonce);
        Assert.Equal($"n,,n=user,r={clientNonce}", Text(client.First()));
        var server = new ScramServer(hash, plus: false, client.First(), ChannelBindings.None, plusOffered: false);
        Assert.Equal(("user", (string?)null), (server.Username, server.AuthorizationId));
        var challenge = server.ChallengeWith(ScramKeys.Derive(hash, "pencil", Convert.FromBase64String(salt), 4096), null, serverNonce);
        Assert.Equal($"r={clientNonce}{serverNonce},s={salt},i=4096", Text(challenge));
        var final = client.Respond(challenge);
        Assert.Equal($"c=biws,r={clientNonce}{serverNonce},p={proof}", Text(final));
        var answer = server.Finish(final);
        Assert.Equal("v=" + signature, Text(answer));
        Assert.True(client.Verify(answer));
        Assert.False(client.Verify(Utf8("v=" + proof)));
    }

    [Fact]
    public void Scram_gives_the_exchange_of_xep_0474()
    {
        var hash = DowngradeProtection.Hash(ScramHash.Sha1, ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"], ["tls-server-end-point", "tls-exporter"]);
        Assert.Equal("G6k/rBLDqgOhRRaCuuatSDFkJ08=", hash);
        const string clientNonce = "12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6", serverNonce = "a09117a6-ac50-4f2f-93f1-93799c2bddf6";
        var bindings = new ChannelBindings(exporter: "THIS IS FAKE CB DATA"u8.ToArray());
        var server = new ScramServer(ScramHash.Sha1, plus: true, Utf8($"p=tls-exporter,,n=user,r={clientNonce}"), bindings, plusOffered: true);
        var challenge = server.ChallengeWith(ScramKeys.Derive(ScramHash.Sha1, "pencil", Convert.FromBase64String("QSXCR+Q6sek8bf92"), 4096), hash, serverNonce);
        Assert.Equal($"r={clientNonce}{serverNonce},s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=", Text(challenge));
        // The example's client sends an extension of its own, which must be signed and ignored.
        var answer = server.Finish(Utf8($"c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,r={clientNonce}{serverNonce},x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4="));
        Assert.Equal("v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=", Text(answer));
    }

    [Fact]
    public void Without_channel_binding_offers_the_hash_ends_at_the_mechanisms() =>
        Assert.Equal(Convert.ToBase64String(SHA256.HashData([(byte)'A', 0x1E, (byte)'B'])), DowngradeProtection.Hash(ScramHash.Sha256, ["B", "A"], null));

    [Fact]
    public void Scram_logs_in_with_the_right_password_only() => Gen.Select(
        Gen.Enum<ScramHash>(), Gen.OneOfConst("user", "a,b=c", "名前", "=2C"), Gen.OneOfConst("pencil", "I\u00ADX", "p\u00E4ss w\u00F6rd", "😀"), Gen.Bool, Gen.Bool, Gen.Int[1, 64])
        .Sample((hash, user, password, plus, right, iterations) =>
        {
            var bindings = new ChannelBindings([1, 2, 3], [4, 5]);
            var keys = ScramKeys.Derive(hash, password, RandomNumberGenerator.GetBytes(16), iterations);
            Assert.True(keys.Verify(password));
            Assert.False(keys.Verify(password + "!"));
            Assert.False(keys.Verify(""));
            var client = new ScramClient(hash, user, right ? password : password + "x", plus ? ("tls-exporter", [4, 5]) : null, authorizationId: user);
            var server = new ScramServer(hash, plus, client.First(), bindings, plusOffered: true);
            Assert.Equal((user, user), (server.Username, server.AuthorizationId));
            var final = client.Respond(server.Challenge(keys, "aGFzaA=="));
            Assert.Equal("aGFzaA==", client.DowngradeHash);
            if (right) Assert.True(client.Verify(server.Finish(final)));
            else Assert.Equal(SaslCondition.NotAuthorized, Condition(() => server.Finish(final)));
        }, iter: 200);

    [Fact]
    public void A_changed_exchange_fails()
    {
        var keys = ScramKeys.Derive(ScramHash.Sha256, "pencil", new byte[16], 1);
        // Every change of one character of the final message, of the challenge as the client saw it, or of the channel.
        var (final, _) = Exchange();
        for (var i = 0; i < final.Length; i++)
        {
            var (_, server) = Exchange();
            var changed = (byte[])final.Clone();
            changed[i] ^= 1;
            // The last character of base64 may hold bits that mean nothing; the decoder refuses those.
            Assert.Throws<SaslException>(() => server.Finish(changed));
        }
        var (good, right) = Exchange();
        right.Finish(good);
        Assert.Throws<InvalidOperationException>(() => right.Finish(good)); // one try

        var client = new ScramClient(ScramHash.Sha256, "user", "pencil", ("tls-server-end-point", [9]));
        var other = new ScramServer(ScramHash.Sha256, true, client.First(), new ChannelBindings([8]), true);
        var response = client.Respond(other.Challenge(keys));
        Assert.Equal(SaslCondition.NotAuthorized, Condition(() => other.Finish(response)));

        (byte[], ScramServer) Exchange()
        {
            var client = new ScramClient(ScramHash.Sha256, "user", "pencil", null, false, null, "abcdef");
            var server = new ScramServer(ScramHash.Sha256, false, client.First(), ChannelBindings.None, false);
            return (client.Respond(server.ChallengeWith(keys, null, "ghijkl")), server);
        }
    }

    [Theory]
    [InlineData("biws", "abcdefghijkl", true)]
    [InlineData("biws", "abcdef", false)] // the client's nonce without the server's
    [InlineData("biws", "abcdefghijklx", false)]
    [InlineData("eSws", "abcdefghijkl", false)] // "y,," where the first message said "n,,"
    [InlineData("biwsAA==", "abcdefghijkl", false)] // bytes of a channel that was not bound
    public void Somebody_with_the_password_must_still_keep_to_the_exchange(string binding, string nonce, bool accepted)
    {
        var salted = Rfc2898DeriveBytes.Pbkdf2("pencil", new byte[16], 1, HashAlgorithmName.SHA256, 32);
        var server = new ScramServer(ScramHash.Sha256, false, "n,,n=user,r=abcdef"u8, ChannelBindings.None, false);
        var challenge = Text(server.ChallengeWith(ScramKeys.Derive(ScramHash.Sha256, "pencil", new byte[16], 1), null, "ghijkl"));
        var clientKey = HMACSHA256.HashData(salted, "Client Key"u8);
        var signature = HMACSHA256.HashData(SHA256.HashData(clientKey), Utf8($"n=user,r=abcdef,{challenge},c={binding},r={nonce}"));
        var proof = clientKey.Zip(signature, (a, b) => (byte)(a ^ b)).ToArray();
        var final = Utf8($"c={binding},r={nonce},p={Convert.ToBase64String(proof)}");
        if (accepted) server.Finish(final);
        else Assert.Equal(SaslCondition.NotAuthorized, Condition(() => server.Finish(final)));
    }

    [Theory]
    [InlineData("n,,n=user,r=abc", false, true, null)]
    [InlineData("y,,n=user,r=abc", false, false, null)]
    [InlineData("y,,n=user,r=abc", false, true, SaslCondition.NotAuthorized)] // downgrade
    [InlineData("p=tls-exporter,,n=user,r=abc", true, true, null)]
    [InlineData("p=tls-server-end-point,,n=user,r=abc", true, true, SaslCondition.NotAuthorized)] // not of this connection
    [InlineData("p=tls-unique,,n=user,r=abc", true, true, SaslCondition.NotAuthorized)]
    [InlineData("p=tls-exporter,,n=user,r=abc", false, true, SaslCondition.MalformedRequest)]
    [InlineData("n,,n=user,r=abc", true, true, SaslCondition.MalformedRequest)]
    [InlineData("y,,n=user,r=abc", true, true, SaslCondition.MalformedRequest)]
    [InlineData("n,a=other,n=user,r=abc,x=ext", false, false, null)]
    [InlineData("", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,n=user", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,n=,r=abc", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,n=user,r=", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,r=abc,n=user", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,m=must,n=user,r=abc", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,n=user,r=abc,m=must", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,n=us=er,r=abc", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,n=us=2cer,r=abc", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,,n=user,r=a\u00E9", false, false, SaslCondition.MalformedRequest)]
    [InlineData("n,x=y,n=user,r=abc", false, false, SaslCondition.MalformedRequest)]
    [InlineData("x,,n=user,r=abc", false, false, SaslCondition.MalformedRequest)]
    public void The_first_message_is_checked(string message, bool plus, bool plusOffered, SaslCondition? expected)
    {
        SaslCondition? found = null;
        try
        {
            var server = new ScramServer(ScramHash.Sha256, plus, Utf8(message), new ChannelBindings(exporter: [1]), plusOffered);
            Assert.Equal("user", server.Username);
        }
        catch (SaslException e)
        {
            found = e.Condition;
        }
        Assert.Equal(expected, found);
    }

    [Fact]
    public void Random_messages_only_ever_fail_as_sasl() => Gen.Byte.Array[0, 60].Sample(noise =>
    {
        Sasl(() => new ScramServer(ScramHash.Sha1, false, noise, ChannelBindings.None, false));
        Sasl(() => new ScramServer(ScramHash.Sha1, false, [.. "n,,n=u,r="u8, .. noise], ChannelBindings.None, false).Finish(noise));
        var server = new ScramServer(ScramHash.Sha1, false, "n,,n=u,r=r"u8, ChannelBindings.None, false);
        server.Challenge(ScramKeys.Fake(ScramHash.Sha1, "u", Secret, 1));
        Sasl(() => server.Finish([.. "c=biws,r="u8, .. noise]));
        Sasl(() => Plain.Parse(noise));
        Sasl(() => new HashedToken(new HashedTokenMechanism(ScramHash.Sha256, null), noise, ChannelBindings.None));
        static void Sasl(Func<object> action)
        {
            try
            {
                action();
            }
            catch (SaslException)
            {
            }
            catch (InvalidOperationException e) when (e.Message == "no challenge was sent")
            {
            }
        }
    }, iter: 20_000);

    [Fact]
    public void Messages_are_bounded()
    {
        Assert.Equal(SaslCondition.MalformedRequest, Condition(() => new ScramServer(ScramHash.Sha1, false, Utf8("n,,n=u,r=" + new string('a', 9000)), ChannelBindings.None, false)));
        Assert.Equal(SaslCondition.MalformedRequest, Condition(() => Plain.Parse(Utf8("\0u\0" + new string('a', 9000)))));
        Assert.Equal(SaslCondition.MalformedRequest, Condition(() => new HashedToken(new HashedTokenMechanism(ScramHash.Sha256, null), [.. Utf8(new string('u', 9000)), 0, .. new byte[32]], ChannelBindings.None)));
    }

    [Fact]
    public void Fake_keys_stay_the_same_and_fit_no_password()
    {
        var fake = ScramKeys.Fake(ScramHash.Sha256, "nobody", Secret, 4096);
        var again = ScramKeys.Fake(ScramHash.Sha256, "nobody", Secret, 4096);
        Assert.Equal(fake.Salt, again.Salt);
        Assert.Equal(fake.StoredKey, again.StoredKey);
        Assert.Equal(16, fake.Salt.Length);
        Assert.Equal(32, fake.StoredKey.Length);
        Assert.NotEqual(fake.Salt, ScramKeys.Fake(ScramHash.Sha256, "nobody2", Secret, 4096).Salt);
        Assert.NotEqual(fake.Salt, ScramKeys.Fake(ScramHash.Sha512, "nobody", Secret, 4096).Salt);
        Assert.NotEqual(fake.Salt, ScramKeys.Fake(ScramHash.Sha256, "nobody", [1], 4096).Salt);
        var client = new ScramClient(ScramHash.Sha256, "nobody", "pencil");
        var server = new ScramServer(ScramHash.Sha256, false, client.First(), ChannelBindings.None, false);
        var final = client.Respond(server.Challenge(fake));
        Assert.Equal(SaslCondition.NotAuthorized, Condition(() => server.Finish(final)));
    }

    [Theory]
    [InlineData("SCRAM-SHA-1", ScramHash.Sha1, false)]
    [InlineData("SCRAM-SHA-256-PLUS", ScramHash.Sha256, true)]
    [InlineData("SCRAM-SHA-512", ScramHash.Sha512, false)]
    public void Mechanisms_have_names(string name, ScramHash hash, bool plus)
    {
        Assert.True(ScramHashes.TryMechanism(name, out var found, out var foundPlus));
        Assert.Equal((hash, plus, name), (found, foundPlus, found.Mechanism(foundPlus)));
        Assert.False(ScramHashes.TryMechanism(name.ToLowerInvariant(), out _, out _));
        Assert.False(ScramHashes.TryMechanism("PLAIN", out _, out _));
        Assert.False(ScramHashes.TryMechanism(null, out _, out _));
    }

    [Theory]
    // RFC 4013 section 3.
    [InlineData("I\u00ADX", "IX")]
    [InlineData("user", "user")]
    [InlineData("USER", "USER")]
    [InlineData("\u00AA", "a")]
    [InlineData("\u2168", "IX")]
    [InlineData("\u0007", null)]
    [InlineData("\u0627\u0031", null)]
    [InlineData("", null)]
    [InlineData("\u00AD", null)]
    [InlineData("a\u00A0b", "a b")]
    [InlineData("\u06271\u0628", "\u06271\u0628")]
    [InlineData("\u0627a\u0628", null)]
    [InlineData("\uFFFD", null)]
    [InlineData("\uFFFE", null)]
    [InlineData("a\uE000", null)]
    [InlineData("a\U000E0041", null)]
    [InlineData("\U0001FFFE", null)]
    [InlineData("😀", "😀")]
    public void Passwords_are_prepared(string text, string? expected)
    {
        Assert.Equal(expected is not null, SaslPrep.TryPrepare(text, out var prepared));
        if (expected is not null) Assert.Equal(expected, prepared);
        else Assert.Throws<FormatException>(() => ScramKeys.Derive(ScramHash.Sha1, text, [1], 1));
    }

    [Fact]
    public void Passwords_never_throw() => Gen.Char.Array[0, 20].Select(c => new string(c)).Sample(text => SaslPrep.TryPrepare(text, out var prepared) == SaslPrep.TryPrepare(text, out var again) && prepared == again, iter: 20_000);

    [Fact]
    public void Plain_is_parsed()
    {
        Assert.Equal(new Plain("alice", "bob", "secret"), Plain.Parse("alice\0bob\0secret"u8));
        Assert.Equal(new Plain(null, "bob", "sécret"), Plain.Parse("\0bob\0sécret"u8));
        Assert.Equal("\0bob\0secret"u8.ToArray(), new Plain(null, "bob", "secret").ToBytes());
        Assert.DoesNotContain("secret", new Plain(null, "bob", "secret").ToString(), StringComparison.Ordinal);
        foreach (var bad in (string[])["", "bob", "bob\0secret", "\0\0secret", "\0bob\0", "\0bob\0sec\0ret"])
        {
            Assert.Equal(SaslCondition.MalformedRequest, Condition(() => Plain.Parse(Utf8(bad))));
        }
        Assert.Equal(SaslCondition.MalformedRequest, Condition(() => Plain.Parse([0, (byte)'b', 0, 0xFF])));
    }

    [Theory]
    [InlineData("HT-SHA-256-NONE", null)]
    [InlineData("HT-SHA-256-ENDP", "tls-server-end-point")]
    [InlineData("HT-SHA-256-EXPR", "tls-exporter")]
    [InlineData("HT-SHA-512-NONE", null)]
    public void Tokens_log_in(string name, string? binding)
    {
        Assert.True(HashedTokenMechanism.TryParse(name, out var mechanism));
        Assert.Equal((name, binding), (mechanism.Name, mechanism.BindingType));
        var bindings = new ChannelBindings([1, 2], [3, 4]);
        var message = mechanism.Initiate("bob", "the token", bindings);
        // By the letter of draft-schmaus-kitten-sasl-ht-09: authcid NUL HMAC(token, "Initiator" || cb-data).
        byte[] data = binding switch { null => [], "tls-exporter" => [3, 4], _ => [1, 2] };
        byte[] Hmac(string role) => mechanism.Hash == ScramHash.Sha256 ? HMACSHA256.HashData("the token"u8, [.. Utf8(role), .. data]) : HMACSHA512.HashData("the token"u8, [.. Utf8(role), .. data]);
        Assert.Equal([.. "bob\0"u8, .. Hmac("Initiator")], message);

        var server = new HashedToken(mechanism, message, bindings);
        Assert.Equal("bob", server.Username);
        Assert.False(server.TryVerify("another token", out var nothing));
        Assert.Empty(nothing);
        Assert.True(server.TryVerify("the token", out var response));
        Assert.Equal(Hmac("Responder"), response);
        Assert.True(mechanism.IsResponse(response, "the token", bindings));
        Assert.False(mechanism.IsResponse(Hmac("Initiator"), "the token", bindings));
        if (binding is not null)
        {
            Assert.False(new HashedToken(mechanism, message, new ChannelBindings([9], [9])).TryVerify("the token", out _));
            Assert.Equal(SaslCondition.InvalidMechanism, Condition(() => new HashedToken(mechanism, message, ChannelBindings.None)));
        }
    }

    [Fact]
    public void Tokens_log_in_with_pairs_too()
    {
        // draft-ietf-kitten-sasl-ht-01: authcid NUL pairs NUL HMAC(token, "Initiator" || cb-data || pairs).
        var mechanism = new HashedTokenMechanism(ScramHash.Sha256, null);
        foreach (var pairs in (string[])["", "a=b,c=d"])
        {
            byte[] message = [.. "bob\0"u8, .. Utf8(pairs), 0, .. HMACSHA256.HashData("t"u8, [.. "Initiator"u8, .. Utf8(pairs)])];
            Assert.True(new HashedToken(mechanism, message, ChannelBindings.None).TryVerify("t", out var response));
            Assert.Equal([0, 0, .. HMACSHA256.HashData("t"u8, "Responder"u8)], response);
            if (pairs.Length == 0) continue;
            message[5] ^= 1;
            Assert.False(new HashedToken(mechanism, message, ChannelBindings.None).TryVerify("t", out _));
        }
        Assert.Equal(["HT-SHA-256-EXPR", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"], HashedTokenMechanism.Offered(new ChannelBindings([1], [2])).Select(m => m.Name));
        Assert.Equal(["HT-SHA-256-NONE"], HashedTokenMechanism.Offered(ChannelBindings.None).Select(m => m.Name));
        Assert.False(HashedTokenMechanism.TryParse("HT-SHA-256-UNIQ", out _));
        Assert.False(HashedTokenMechanism.TryParse("HT-SHA-1-NONE", out _));
    }

    [Fact]
    public void The_end_point_binding_follows_the_signature()
    {
        using var rsa = RSA.Create(2048);
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Check(new CertificateRequest("CN=x", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), SHA256.HashData);
        Check(new CertificateRequest("CN=x", rsa, HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1), SHA384.HashData);
        Check(new CertificateRequest("CN=x", rsa, HashAlgorithmName.SHA512, RSASignaturePadding.Pss), SHA512.HashData);
        Check(new CertificateRequest("CN=x", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pss), SHA256.HashData);
        Check(new CertificateRequest("CN=x", ec, HashAlgorithmName.SHA384), SHA384.HashData);

        static void Check(CertificateRequest request, Func<byte[], byte[]> hash)
        {
            using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1));
            Assert.Equal(hash(certificate.RawData), ChannelBindings.ServerEndPoint(certificate));
        }
    }

    [Fact]
    public void Conditions_are_those_of_the_rfc() => Assert.Equal(
        ["aborted", "account-disabled", "credentials-expired", "encryption-required", "incorrect-encoding", "invalid-authzid", "invalid-mechanism",
            "malformed-request", "mechanism-too-weak", "not-authorized", "temporary-auth-failure"],
        Enum.GetValues<SaslCondition>().Select(c => Kebab.Of(c)));
}
