using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Indaba.Server.Gateway;
using Indaba.Server.Options;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Indaba.Server.Tests.Options;

public sealed class SettingsWatchTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_file_that_changes_is_read_again_by_itself_the_certificate_too()
    {
        using var folder = new Folder();
        var pem = folder.Write("c.pem", Pem());
        var source = new SettingsSource(null, folder.Write("i.json", """{ "certificate": { "path": "c.pem" }, "dataDirectory": "." }"""), new Dictionary<string, string>());
        var settings = new Settings(source, source.Load());
        var certificates = new Certificates(settings, TimeProvider.System, NullLogger<Certificates>.Instance);
        var before = certificates.Current.Leaf.Thumbprint;
        using var watch = new SettingsWatch(settings, certificates, TimeProvider.System, NullLogger<SettingsWatch>.Instance);
        var changed = new TaskCompletionSource<SettingsChange>(TaskCreationOptions.RunContinuationsAsynchronously);
        settings.Changed += c => changed.TrySetResult(c);
        await watch.StartAsync(CancellationToken.None);

        // Replaced as careful tools do it: written beside, then moved.
        File.WriteAllText(pem + ".new", Pem());
        File.Move(pem + ".new", pem, overwrite: true);
        folder.Write("i.json", """{ "certificate": { "path": "c.pem" }, "dataDirectory": ".", "limits": { "maxDepth": 11 } }""");

        Assert.Equal(11, (await changed.Task.WaitAsync(Limit)).New.Limits.MaxDepth);
        await Until(() => certificates.Current.Leaf.Thumbprint != before);
        await watch.StopAsync(CancellationToken.None);
    }

    [Fact]
    public void A_link_that_is_switched_to_another_file_counts_as_a_change()
    {
        using var folder = new Folder();
        folder.Write("a", "1");
        folder.Write("b", "1");
        File.SetLastWriteTimeUtc(folder.File("b"), File.GetLastWriteTimeUtc(folder.File("a")));
        File.CreateSymbolicLink(folder.File("link"), "a");
        var before = FileStamp.Of(folder.File("link"));
        File.Delete(folder.File("link"));
        Assert.False(FileStamp.Of(folder.File("link")).Exists);
        File.CreateSymbolicLink(folder.File("link"), "b");
        Assert.NotEqual(before, FileStamp.Of(folder.File("link")));
    }

    private static async Task Until(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(Limit);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!condition()) await timer.WaitForNextTickAsync(limit.Token);
    }

    private static string Pem()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=a.example", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(100));
        return certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem();
    }
}
