using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Indaba.Cluster;

/// <summary>One self-signed certificate for all nodes: a client that trusts it meets the same at each of them.</summary>
internal static class Certificate
{
    /// <summary>Makes the file, certificate and key in PEM, unless it is there.</summary>
    public static async Task Make(string file, string domain)
    {
        if (File.Exists(file)) return;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={domain}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(domain);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(5));
        await File.WriteAllTextAsync(file, $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
