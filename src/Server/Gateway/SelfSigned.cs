using System.Formats.Asn1;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Indaba.Server.Options;

namespace Indaba.Server.Gateway;

/// <summary>
/// The certificate that a server makes for itself when none is configured: ECDSA P-256, for its domain and localhost,
/// kept in the data folder so that clients which pin it ask once only.
/// </summary>
internal static class SelfSigned
{
    // Apple refuses server certificates of more than 825 days, whoever signed them.
    private static readonly TimeSpan Validity = TimeSpan.FromDays(820);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(30);
    private const string SubjectAlternativeName = "2.5.29.17";
    private const string XmppAddress = "1.3.6.1.5.5.7.8.5"; // id-on-xmppAddr, RFC 6120 section 13.7.1.4
    private const string DnsSrv = "1.3.6.1.5.5.7.8.7"; // id-on-dnsSRV, RFC 4985

    public static string CertificateFile(string folder) => Path.Combine(folder, "certificate.pem");

    public static string KeyFile(string folder) => Path.Combine(folder, "certificate.key");

    /// <summary>The kept certificate; made when there is none, made anew with the same key when it ends soon or the domain is another.</summary>
    /// <exception cref="CertificateException">The files cannot be read or written.</exception>
    public static ServerCertificate LoadOrCreate(string folder, string domain, TimeProvider time)
    {
        try
        {
            var kept = Load(folder);
            if (kept is null || IsDue(kept, domain, time)) kept = Create(folder, domain, time);
            return new ServerCertificate(kept, [], selfSigned: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new CertificateException($"the self-signed certificate in {folder} cannot be used: {Sentence.Of(e)} (delete {Path.GetFileName(CertificateFile(folder))} and {Path.GetFileName(KeyFile(folder))} to have a new one)");
        }
    }

    /// <summary>True when a new one is needed.</summary>
    public static bool IsDue(X509Certificate2 certificate, string domain, TimeProvider time) =>
        certificate.NotAfter.ToUniversalTime() - time.GetUtcNow() < RenewBefore || certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false) != CommonName(domain);

    private static X509Certificate2? Load(string folder) =>
        File.Exists(CertificateFile(folder)) && File.Exists(KeyFile(folder)) ? X509Certificate2.CreateFromPemFile(CertificateFile(folder), KeyFile(folder)) : null;

    private static X509Certificate2 Create(string folder, string domain, TimeProvider time)
    {
        using var key = KeptKey(folder) ?? ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(new X500DistinguishedName($"CN={CommonName(domain)}"), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false)); // server authentication
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        request.CertificateExtensions.Add(new X509Extension(SubjectAlternativeName, Names(domain), false));
        var now = time.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now + Validity); // a day before: clocks of phones are off
        Write(KeyFile(folder), key.ExportPkcs8PrivateKeyPem());
        Write(CertificateFile(folder), certificate.ExportCertificatePem());
        return Load(folder)!;
    }

    private static ECDsa? KeptKey(string folder)
    {
        if (!File.Exists(KeyFile(folder))) return null;
        var key = ECDsa.Create();
        key.ImportFromPem(File.ReadAllText(KeyFile(folder)));
        return key;
    }

    // Written beside and moved: another process never reads half a file, and the key is never readable by others.
    private static void Write(string path, string pem)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var fresh = path + ".new";
        File.Delete(fresh);
        using (var writer = new StreamWriter(fresh, options)) writer.WriteLine(pem);
        File.Move(fresh, path, overwrite: true);
    }

    private static string Ascii(string domain) => new IdnMapping().GetAscii(domain);

    // A common name holds 64 characters (X.520); names that count stand in the extension anyway.
    private static string CommonName(string domain) => IPAddress.TryParse(domain.Trim('[', ']'), out _) || Ascii(domain).Length > 64 ? "indaba" : Ascii(domain);

    private static byte[] Names(string domain)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            if (IPAddress.TryParse(domain.Trim('[', ']'), out var address))
            {
                Ip(writer, address);
            }
            else
            {
                Dns(writer, Ascii(domain));
                Other(writer, DnsSrv, UniversalTagNumber.IA5String, "_xmpp-client." + Ascii(domain));
            }
            Other(writer, XmppAddress, UniversalTagNumber.UTF8String, domain);
            if (domain != "localhost") Dns(writer, "localhost");
            Ip(writer, IPAddress.Loopback);
            Ip(writer, IPAddress.IPv6Loopback);
        }
        return writer.Encode();
    }

    private static void Dns(AsnWriter writer, string name) => writer.WriteCharacterString(UniversalTagNumber.IA5String, name, new Asn1Tag(TagClass.ContextSpecific, 2));

    private static void Ip(AsnWriter writer, IPAddress address) => writer.WriteOctetString(address.GetAddressBytes(), new Asn1Tag(TagClass.ContextSpecific, 7));

    private static void Other(AsnWriter writer, string oid, UniversalTagNumber type, string value)
    {
        using var name = writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0));
        writer.WriteObjectIdentifier(oid);
        using var content = writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0));
        writer.WriteCharacterString(type, value);
    }
}
