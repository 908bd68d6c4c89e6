using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Indaba.Server.Options;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Indaba.Server.Gateway;

/// <summary>A certificate with its private key and chain, ready for handshakes.</summary>
internal sealed class ServerCertificate
{
    private static readonly SslApplicationProtocol XmppClient = new("xmpp-client");

    internal ServerCertificate(X509Certificate2 leaf, X509Certificate2Collection chain, bool selfSigned)
    {
        Leaf = leaf;
        SelfSigned = selfSigned;
        // Offline: a handshake must never wait for somebody's OCSP or AIA server.
        Context = SslStreamCertificateContext.Create(leaf, chain, offline: true);
        StartTls = Options();
        DirectTls = Options(XmppClient);
        Https = Options(SslApplicationProtocol.Http2, SslApplicationProtocol.Http11);
    }

    /// <summary>The certificate itself, with its private key (for channel binding: its hash is RFC 5929's tls-server-end-point).</summary>
    public X509Certificate2 Leaf { get; }

    /// <summary>Certificate and chain as SslStream wants them.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>Made by this server for itself.</summary>
    public bool SelfSigned { get; }

    /// <summary>For STARTTLS on 5222: no ALPN (RFC 6120 section 5).</summary>
    public SslServerAuthenticationOptions StartTls { get; }

    /// <summary>For direct TLS on 5223: ALPN <c>xmpp-client</c> (XEP-0368 section 2.2).</summary>
    public SslServerAuthenticationOptions DirectTls { get; }

    /// <summary>For HTTP/2 and HTTP/1.1.</summary>
    public SslServerAuthenticationOptions Https { get; }

    private SslServerAuthenticationOptions Options(params SslApplicationProtocol[] protocols) => new()
    {
        ServerCertificateContext = Context,
        ApplicationProtocols = protocols.Length == 0 ? null : [.. protocols],
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13, // RFC 9325 section 3.1.1: nothing older
        ClientCertificateRequired = false,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
    };
}

/// <summary>A certificate that cannot be used; the message is a plain sentence for the operator.</summary>
internal sealed class CertificateException(string message) : Exception(message);

/// <summary>
/// The certificate in force. Listeners take <see cref="Current"/> at each handshake, so a new certificate is used from
/// the next connection on and no connection is dropped for it.
/// </summary>
internal sealed partial class Certificates
{
    private static readonly TimeSpan WarnBefore = TimeSpan.FromDays(14);
    private static readonly TimeSpan WarnEvery = TimeSpan.FromDays(1);

    private readonly Settings _settings;
    private readonly TimeProvider _time;
    private readonly ILogger<Certificates> _log;
    private readonly Lock _reloading = new();
    private ServerCertificate _current;
    private Sources _sources;
    private DateTimeOffset _warnAt;

    /// <exception cref="CertificateException">There is no usable certificate.</exception>
    public Certificates(Settings settings, TimeProvider time, ILogger<Certificates> log)
    {
        _settings = settings;
        _time = time;
        _log = log;
        _sources = Sources.Of(settings.Current);
        _current = Load(settings.Current, time);
        _warnAt = time.GetUtcNow();
        LogLoaded(_log, _current.Leaf.Subject, _current.Leaf.NotAfter.ToUniversalTime(), _current.SelfSigned ? ", self-signed: clients will ask whether to trust it" : "");
        WarnIfEnding();
    }

    /// <summary>The certificate for the next handshake.</summary>
    public ServerCertificate Current => Volatile.Read(ref _current);

    /// <summary>For <c>listenOptions.UseHttps(…)</c> on 5223, which gives TLS to any connection handler.</summary>
    public TlsHandshakeCallbackOptions DirectTls => new() { OnConnection = _ => ValueTask.FromResult(Current.DirectTls) };

    /// <summary>For <c>listenOptions.UseHttps(…)</c> on 5281.</summary>
    public TlsHandshakeCallbackOptions Https => new() { OnConnection = _ => ValueTask.FromResult(Current.Https) };

    /// <summary>Loads the certificate that the settings name, or the self-signed one of the data folder, which is made or renewed as needed.</summary>
    /// <exception cref="CertificateException">It cannot be read, has no key, or its time is over.</exception>
    public static ServerCertificate Load(ServerOptions options, TimeProvider time)
    {
        var configured = options.Certificate;
        if (configured.Path is not { Length: > 0 } path) return SelfSigned.LoadOrCreate(options.DataDirectory, options.Domain, time);
        var (leaf, chain) = Read(path, configured.KeyPath, configured.Password);
        var now = time.GetUtcNow();
        if (leaf.NotAfter.ToUniversalTime() < now) throw new CertificateException($"the certificate {path} has expired on {leaf.NotAfter.ToUniversalTime():yyyy-MM-dd}");
        if (leaf.NotBefore.ToUniversalTime() > now) throw new CertificateException($"the certificate {path} is valid only from {leaf.NotBefore.ToUniversalTime():yyyy-MM-dd HH:mm} UTC on");
        return new ServerCertificate(leaf, chain, selfSigned: false);
    }

    /// <summary>Reads the files again if they have changed (or the settings name others). A certificate that cannot be used is refused with a warning, the old one stays.</summary>
    public void Reload(bool force = false)
    {
        lock (_reloading)
        {
            var options = _settings.Current;
            var sources = Sources.Of(options);
            var renew = _current.SelfSigned && SelfSigned.IsDue(_current.Leaf, options.Domain, _time);
            if (force || renew || sources != _sources) TryReload(options);
            _sources = Sources.Of(options); // anew: a renewal has written the files
            WarnIfEnding();
        }
    }

    private void TryReload(ServerOptions options)
    {
        try
        {
            var next = Load(options, _time);
            if (next.Leaf.Thumbprint == _current.Leaf.Thumbprint) return;
            Volatile.Write(ref _current, next); // the old one is left to the collector: a handshake may be using it
            _warnAt = _time.GetUtcNow();
            LogReplaced(_log, next.Leaf.Subject, next.Leaf.NotAfter.ToUniversalTime());
        }
        catch (CertificateException e)
        {
            LogRefused(_log, e.Message);
        }
    }

    private void WarnIfEnding()
    {
        var now = _time.GetUtcNow();
        if (_current.SelfSigned || now < _warnAt || _current.Leaf.NotAfter.ToUniversalTime() - now > WarnBefore) return;
        _warnAt = now + WarnEvery;
        LogEnding(_log, _current.Leaf.NotAfter.ToUniversalTime());
    }

    private static (X509Certificate2 Leaf, X509Certificate2Collection Chain) Read(string path, string? keyPath, string? password)
    {
        try
        {
            return Path.GetExtension(path).ToUpperInvariant() is ".PFX" or ".P12" ? ReadPkcs12(path, password) : ReadPem(path, keyPath, password);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var file = e is FileNotFoundException { FileName: { } name } ? name : path;
            throw new CertificateException($"the certificate {file} cannot be read: {Sentence.Of(e)}");
        }
        catch (CryptographicException e)
        {
            throw new CertificateException($"the certificate {path} cannot be used: {Sentence.Of(e)}");
        }
    }

    private static (X509Certificate2, X509Certificate2Collection) ReadPem(string path, string? keyPath, string? password)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(path);
        if (chain.Count == 0) throw new CertificateException($"there is no PEM certificate in {path}");
        chain.RemoveAt(0);
        var keyFile = keyPath is { Length: > 0 } ? keyPath : path;
        var key = ReadText(keyFile);
        if (!key.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
            throw new CertificateException(keyFile == path ? $"there is no private key in {path}: name its file in 'certificate.keyPath'" : $"there is no PEM private key in {keyFile}");
        var certificate = ReadText(path);
        try
        {
            var encrypted = key.Contains("ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal);
            if (encrypted && string.IsNullOrEmpty(password)) throw new CertificateException($"the private key {keyFile} is encrypted: set 'certificate.password'");
            return (encrypted ? X509Certificate2.CreateFromEncryptedPem(certificate, key, password) : X509Certificate2.CreateFromPem(certificate, key), chain);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new CertificateException($"the certificate {path} and the private key {keyFile} cannot be used together: {Sentence.Of(e)}");
        }
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CertificateException($"{path} cannot be read: {Sentence.Of(e)}");
        }
    }

    private static (X509Certificate2, X509Certificate2Collection) ReadPkcs12(string path, string? password)
    {
        var all = X509CertificateLoader.LoadPkcs12CollectionFromFile(path, password);
        var leaf = all.FirstOrDefault(c => c.HasPrivateKey) ?? throw new CertificateException($"there is no private key in {path}");
        all.Remove(leaf);
        return (leaf, all);
    }

    private readonly record struct Sources(string? Path, string? KeyPath, string? Password, string Domain, FileStamp File, FileStamp Key)
    {
        public static Sources Of(ServerOptions options)
        {
            var c = options.Certificate;
            var own = c.Path is not { Length: > 0 };
            var file = own ? SelfSigned.CertificateFile(options.DataDirectory) : c.Path!;
            var key = own ? SelfSigned.KeyFile(options.DataDirectory) : c.KeyPath;
            return new Sources(c.Path, c.KeyPath, c.Password, options.Domain, FileStamp.Of(file), key is { Length: > 0 } ? FileStamp.Of(key) : default);
        }
    }

    [LoggerMessage(1100, LogLevel.Information, "Certificate {Subject}, valid to {NotAfter:yyyy-MM-dd}{Note}")]
    private static partial void LogLoaded(ILogger log, string subject, DateTime notAfter, string note);

    [LoggerMessage(1101, LogLevel.Information, "New certificate {Subject}, valid to {NotAfter:yyyy-MM-dd}, used from the next connection on")]
    private static partial void LogReplaced(ILogger log, string subject, DateTime notAfter);

    [LoggerMessage(1102, LogLevel.Warning, "The certificate was not replaced, the old one stays in use: {Fault}")]
    private static partial void LogRefused(ILogger log, string fault);

    [LoggerMessage(1103, LogLevel.Warning, "The certificate ends on {NotAfter:yyyy-MM-dd HH:mm} UTC: renew it, the server will notice")]
    private static partial void LogEnding(ILogger log, DateTime notAfter);
}
