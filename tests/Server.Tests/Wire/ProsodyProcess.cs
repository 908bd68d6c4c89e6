using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

#pragma warning disable CA5350 // SHA-1 is what Prosody's account files hold

namespace Indaba.Server.Tests.Wire;

/// <summary>
/// Prosody, as Debian ships it (0.12). Scenarios and checkers are tried against it, so that what they ask for is known
/// to be what XMPP servers do and not only what ours does; it is no part of the normal test run.
/// </summary>
internal sealed class ProsodyProcess : TestServer
{
    private const int Iterations = 10_000; // Prosody's own default
    private static readonly byte[] Salt = "0f4e8a7c-indaba-tests"u8.ToArray();

    /// <summary>Modules besides those that every run loads.</summary>
    public IReadOnlyList<string> MoreModules { get; init; } = [];

    /// <inheritdoc/>
    public override Uri WebSocketUrl => new($"ws://127.0.0.1:{HttpPort}/xmpp-websocket");

    private string ConfigPath => Path.Combine(Folder, "prosody.cfg.lua");

    /// <summary>Starts a server on an empty folder.</summary>
    public static async Task<ProsodyProcess> StartNew(params IReadOnlyList<string> modules)
    {
        var server = new ProsodyProcess { MoreModules = modules };
        try
        {
            await server.Configure();
            await server.Start();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Writes the accounts' files as Prosody's internal storage does: its own tool takes a third of a second each.</summary>
    public override async Task AddAccounts(IReadOnlyCollection<string> names)
    {
        var salted = Rfc2898DeriveBytes.Pbkdf2(Password, Salt, Iterations, HashAlgorithmName.SHA1, 20);
        var storedKey = Hex(SHA1.HashData(Hmac(salted, "Client Key")));
        var serverKey = Hex(Hmac(salted, "Server Key"));
        var file = $$"""
            return {
            	["iteration_count"] = {{Iterations}};
            	["salt"] = "{{Encoding.ASCII.GetString(Salt)}}";
            	["server_key"] = "{{serverKey}}";
            	["stored_key"] = "{{storedKey}}";
            };
            """;
        var folder = Directory.CreateDirectory(Path.Combine(Folder, "data", "localhost", "accounts"));
        foreach (var name in names) await File.WriteAllTextAsync(Path.Combine(folder.FullName, FileName(name) + ".dat"), file);
    }

    /// <inheritdoc/>
    protected override ProcessStartInfo StartInfo() => new("prosody", ["-F", "--config", ConfigPath]);

    /// <inheritdoc/>
    protected override bool IsReady(string line) => line.Contains("Activated service 'c2s' on", StringComparison.Ordinal);

    private static byte[] Hmac(byte[] key, string text) => HMACSHA1.HashData(key, Encoding.ASCII.GetBytes(text));

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static string FileName(string account) => string.Concat(account.Select(c => char.IsAsciiLetterOrDigit(c) ? $"{c}" : $"%{(int)c:x2}"));

    private async Task Configure()
    {
        await Run(new ProcessStartInfo("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", Path.Combine(Folder, "key.pem"), "-out", Path.Combine(Folder, "crt.pem")]));
        var more = string.Concat(MoreModules.Select(m => $" \"{m}\";"));
        var ports = new[] { C2sPort, TlsPort, HttpPort }.Select(p => p.ToString(CultureInfo.InvariantCulture)).ToArray();
        await File.WriteAllTextAsync(ConfigPath, $$"""
            run_as_root = true
            pidfile = "{{Folder}}/pid"
            data_path = "{{Folder}}/data"
            log = { info = "*console" }
            network_backend = "epoll"
            interfaces = { "127.0.0.1" }
            local_interfaces = { "127.0.0.1" }
            c2s_ports = { {{ports[0]}} }
            c2s_direct_tls_ports = { {{ports[1]}} }
            http_ports = { {{ports[2]}} }
            https_ports = { }
            http_default_host = "localhost"
            consider_websocket_secure = true
            c2s_require_encryption = false
            allow_unencrypted_plain_auth = true
            allow_registration = true
            registration_invite_only = false
            allow_user_invites = true
            authentication = "internal_hashed"
            ssl = { certificate = "{{Folder}}/crt.pem"; key = "{{Folder}}/key.pem" }
            archive_expires_after = "1w"
            gc = { mode = "generational" }
            smacks_max_hibernated_sessions = 100
            blocklist_cache_size = 100000
            contact_info = { abuse = { "mailto:abuse@localhost" }; admin = { "mailto:admin@localhost" } }
            modules_disabled = { "s2s" }
            modules_enabled = {
            	"disco"; "roster"; "saslauth"; "tls"; "blocklist"; "carbons"; "private"; "smacks"; "csi_simple"; "ping"; "register";
            	"time"; "version"; "uptime"; "offline"; "invites"; "invites_adhoc"; "invites_register"; "mam"; "websocket"; "lastactivity"; "server_contact_info"; "posix";{{more}}
            }
            VirtualHost "localhost"
            """);
    }
}
