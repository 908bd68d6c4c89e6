using System.Formats.Asn1;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Indaba.Server.Gateway;
using Indaba.Server.Options;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Indaba.Server.Tests.Options;

public sealed class CertificatesTests : IDisposable
{
    private readonly Folder _folder = new();
    private readonly Clock _clock = new();

    public void Dispose() => _folder.Dispose();

    private ServerOptions Options(string domain = "chat.example.org", string? path = null, string? key = null, string? password = null) =>
        new() { Domain = domain, DataDirectory = _folder.Path, Certificate = new() { Path = path, KeyPath = key, Password = password } };

    [Fact]
    public void Without_configuration_one_is_made_and_kept_for_the_owner_only()
    {
        var made = Certificates.Load(Options(), _clock);
        Assert.True(made.SelfSigned);
        Assert.Equal("1.2.840.10045.3.1.7", made.Leaf.GetECDsaPublicKey()!.ExportParameters(false).Curve.Oid.Value); // P-256
        Assert.True(made.Leaf.NotBefore.ToUniversalTime() < _clock.Now && made.Leaf.NotAfter.ToUniversalTime() > _clock.Now.AddDays(800));
        Assert.True(made.Leaf.NotAfter - made.Leaf.NotBefore < TimeSpan.FromDays(825));
        Assert.Equal(made.Leaf.Thumbprint, Certificates.Load(Options(), _clock).Leaf.Thumbprint);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.File("certificate.key")));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.File("certificate.pem")));
        }
    }

    [Fact]
    public void It_names_the_domain_in_every_way_that_clients_look_for()
    {
        var made = Certificates.Load(Options("bücher.example"), _clock).Leaf;
        Assert.True(made.MatchesHostname("xn--bcher-kva.example"));
        Assert.True(made.MatchesHostname("localhost"));
        Assert.True(made.MatchesHostname("127.0.0.1"));
        Assert.False(made.MatchesHostname("other.example"));
        var names = new AsnReader(made.Extensions["2.5.29.17"]!.RawData, AsnEncodingRules.DER).ReadSequence();
        var others = new List<string>();
        while (names.HasData)
        {
            if (!names.PeekTag().HasSameClassAndValue(new Asn1Tag(TagClass.ContextSpecific, 0)))
            {
                names.ReadEncodedValue();
                continue;
            }
            var other = names.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0));
            var oid = other.ReadObjectIdentifier();
            var value = other.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0));
            others.Add($"{oid} {value.ReadCharacterString((UniversalTagNumber)value.PeekTag().TagValue)}");
        }
        Assert.Equal(["1.3.6.1.5.5.7.8.7 _xmpp-client.xn--bcher-kva.example", "1.3.6.1.5.5.7.8.5 bücher.example"], others);
    }

    [Fact]
    public void Near_its_end_or_for_another_domain_it_is_made_anew_with_the_same_key()
    {
        var first = Certificates.Load(Options(), _clock).Leaf;
        _clock.Now = _clock.Now.AddDays(795);
        var second = Certificates.Load(Options(), _clock).Leaf;
        var third = Certificates.Load(Options("other.example"), _clock).Leaf;
        Assert.Equal(3, new HashSet<string> { first.Thumbprint, second.Thumbprint, third.Thumbprint }.Count);
        Assert.Single(new HashSet<string> { first.GetPublicKeyString(), second.GetPublicKeyString(), third.GetPublicKeyString() });
        Assert.True(third.MatchesHostname("other.example"));
    }

    [Fact]
    public void Pem_with_chain_and_encrypted_key_and_pkcs12_are_read()
    {
        using var own = Make("a.example");
        using var between = Make("between.example");
        var pem = _folder.Write("c.pem", own.ExportCertificatePem() + "\n" + between.ExportCertificatePem());
        var key = _folder.Write("k.pem", own.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        var loaded = Certificates.Load(Options(path: pem, key: key), _clock);
        Assert.Equal(own.Thumbprint, loaded.Leaf.Thumbprint);
        Assert.False(loaded.SelfSigned);

        var locked = _folder.Write("l.pem", own.GetECDsaPrivateKey()!.ExportEncryptedPkcs8PrivateKeyPem("secret", new PbeParameters(PbeEncryptionAlgorithm.Aes128Cbc, HashAlgorithmName.SHA256, 10)));
        Assert.Equal(own.Thumbprint, Certificates.Load(Options(path: pem, key: locked, password: "secret"), _clock).Leaf.Thumbprint);
        Assert.Contains("is encrypted: set 'certificate.password'", Fault(Options(path: pem, key: locked)), StringComparison.Ordinal);

        var together = _folder.Write("both.pem", own.ExportCertificatePem() + "\n" + own.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        Assert.Equal(own.Thumbprint, Certificates.Load(Options(path: together), _clock).Leaf.Thumbprint);

        File.WriteAllBytes(_folder.File("c.pfx"), own.Export(X509ContentType.Pfx, "secret"));
        Assert.Equal(own.Thumbprint, Certificates.Load(Options(path: _folder.File("c.pfx"), password: "secret"), _clock).Leaf.Thumbprint);
        Assert.StartsWith($"the certificate {_folder.File("c.pfx")} cannot be used:", Fault(Options(path: _folder.File("c.pfx"), password: "wrong")), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_used_is_said_in_a_sentence()
    {
        using var own = Make("a.example");
        using var other = Make("b.example");
        var pem = _folder.Write("c.pem", own.ExportCertificatePem());
        var key = _folder.Write("k.pem", own.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        var wrong = _folder.Write("w.pem", other.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        Assert.Equal($"the certificate {_folder.File("no.pem")} cannot be read: it does not exist", Fault(Options(path: _folder.File("no.pem"))));
        Assert.Equal($"{_folder.File("no.key")} cannot be read: it does not exist", Fault(Options(path: pem, key: _folder.File("no.key"))));
        Assert.Equal($"there is no private key in {pem}: name its file in 'certificate.keyPath'", Fault(Options(path: pem)));
        Assert.StartsWith($"the certificate {pem} and the private key {wrong} cannot be used together:", Fault(Options(path: pem, key: wrong)), StringComparison.Ordinal);
        Assert.Equal($"there is no PEM certificate in {key}", Fault(Options(path: key)));
        _clock.Now = _clock.Now.AddDays(400);
        Assert.Equal($"the certificate {pem} has expired on {own.NotAfter.ToUniversalTime():yyyy-MM-dd}", Fault(Options(path: pem, key: key)));
        _clock.Now = _clock.Now.AddDays(-1000);
        Assert.StartsWith($"the certificate {pem} is valid only from", Fault(Options(path: pem, key: key)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_file_is_used_from_the_next_handshake_on_and_open_connections_stay()
    {
        using var first = Make("a.example");
        using var second = Make("a.example");
        var pem = _folder.Write("c.pem", first.ExportCertificatePem() + "\n" + first.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        var log = new SettingsTests.Lines();
        using var logs = LoggerFactory.Create(b => b.AddProvider(new OneLog(log)));
        var certificates = new Certificates(new Settings(Options(path: pem)), _clock, logs.CreateLogger<Certificates>());

        var (open, seen) = await HandshakeAsync(certificates);
        Assert.Equal(first.Thumbprint, seen);

        File.WriteAllText(pem, "half a fi");
        certificates.Reload();
        Assert.Equal(first.Thumbprint, certificates.Current.Leaf.Thumbprint);
        Assert.Contains(log.All, l => l.StartsWith("Warning: The certificate was not replaced, the old one stays in use: there is no PEM certificate", StringComparison.Ordinal));

        File.WriteAllText(pem, second.ExportCertificatePem() + "\n" + second.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        certificates.Reload();
        var (next, seenNow) = await HandshakeAsync(certificates);
        Assert.Equal(second.Thumbprint, seenNow);
        await open.EchoAsync("still here");
        open.Dispose();
        next.Dispose();
    }

    [Fact]
    public async Task Nothing_older_than_tls_1_2_is_spoken_and_direct_tls_names_its_protocol()
    {
        var certificates = new Certificates(new Settings(Options()), _clock, NullLogger<Certificates>.Instance);
#pragma warning disable SYSLIB0039, CA5397, CS0618 // that it is refused is the point
        await Assert.ThrowsAnyAsync<Exception>(() => HandshakeAsync(certificates, SslProtocols.Tls11));
#pragma warning restore SYSLIB0039, CA5397, CS0618
        var (open, _) = await HandshakeAsync(certificates, SslProtocols.Tls12);
        Assert.Equal(new SslApplicationProtocol("xmpp-client"), open.Client.NegotiatedApplicationProtocol);
        open.Dispose();
    }

    [Fact]
    public void The_end_of_a_certificate_is_announced_two_weeks_before_once_a_day()
    {
        using var own = Make("a.example");
        var pem = _folder.Write("c.pem", own.ExportCertificatePem() + "\n" + own.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        var log = new SettingsTests.Lines();
        using var logs = LoggerFactory.Create(b => b.AddProvider(new OneLog(log)));
        var certificates = new Certificates(new Settings(Options(path: pem)), _clock, logs.CreateLogger<Certificates>());
        Assert.DoesNotContain(log.All, l => l.StartsWith("Warning", StringComparison.Ordinal));
        _clock.Now = new DateTimeOffset(own.NotAfter.ToUniversalTime()).AddDays(-10);
        for (var i = 0; i < 48; i++)
        {
            certificates.Reload();
            _clock.Now = _clock.Now.AddHours(1);
        }
        Assert.Equal(2, log.All.Count(l => l.StartsWith("Warning: The certificate ends on", StringComparison.Ordinal)));
    }

    private string Fault(ServerOptions options) => Assert.Throws<CertificateException>(() => Certificates.Load(options, _clock)).Message;

    private X509Certificate2 Make(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(_clock.Now.AddDays(-1), _clock.Now.AddDays(365));
    }

    private static async Task<(Pair Pair, string Thumbprint)> HandshakeAsync(Certificates certificates, SslProtocols protocols = SslProtocols.None)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new TcpClient();
        var accept = listener.AcceptTcpClientAsync();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        var inner = await accept;
        var server = new SslStream(inner.GetStream());
        string? seen = null;
        var tls = new SslStream(client.GetStream());
        var answering = server.AuthenticateAsServerAsync(certificates.Current.DirectTls);
        try
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "a.example",
                EnabledSslProtocols = protocols,
                ApplicationProtocols = [new SslApplicationProtocol("xmpp-client")],
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    seen = ((X509Certificate2)certificate!).Thumbprint;
                    return seen is not null; // self-signed by this very test
                },
            });
            await answering;
        }
        catch
        {
            inner.Dispose();
            client.Dispose();
            await Assert.ThrowsAnyAsync<Exception>(() => answering);
            throw;
        }
        return (new Pair(tls, server), seen!);
    }

    private sealed record Pair(SslStream Client, SslStream Server) : IDisposable
    {
        public async Task EchoAsync(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            await Client.WriteAsync(bytes);
            await Server.ReadExactlyAsync(bytes);
            Assert.Equal(text, Encoding.UTF8.GetString(bytes));
        }

        public void Dispose()
        {
            Client.Dispose();
            Server.Dispose();
        }
    }

    private sealed class OneLog(ILogger log) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => log;

        public void Dispose() { }
    }
}

/// <summary>A clock that stands still until it is set.</summary>
internal sealed class Clock : TimeProvider
{
    public DateTimeOffset Now { get; set; } = TimeProvider.System.GetUtcNow();

    public override DateTimeOffset GetUtcNow() => Now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Now.UtcTicks;
}
