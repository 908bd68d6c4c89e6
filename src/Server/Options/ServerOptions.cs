using System.Net;
using Microsoft.Extensions.Logging;

namespace Indaba.Server.Options;

/// <summary>
/// Every setting of the server. Immutable: a reload makes a new one (see <see cref="Settings"/>). The name of a
/// setting is its path in camel case: <c>limits.maxStanzaBytes</c>, in <c>indaba.json</c>, after <c>--set</c>, and as
/// <c>INDABA_LIMITS__MAXSTANZABYTES</c> in the environment. What bears <see cref="RestartAttribute"/> is read once.
/// </summary>
internal sealed record ServerOptions
{
    /// <summary>
    /// The part of every address behind the @. Default <c>localhost</c>, so that a first try needs no DNS; set it with
    /// <c>--domain example.org</c> before the first account is made, for addresses never move to another domain.
    /// </summary>
    [Restart] public string Domain { get; init; } = "localhost";

    /// <summary>
    /// Where database, certificate, media and control socket live. Default: <c>$STATE_DIRECTORY</c> when systemd gives
    /// one, else <c>data</c> in the working directory: a try leaves nothing outside the folder it was started in, and
    /// two clones never share a database by accident.
    /// </summary>
    [Restart, OneNode] public string DataDirectory { get; init; } = "data";

    /// <summary>
    /// Addresses that the encrypted listeners (c2s, tls, https) take; <c>*</c> is every address of the machine, IPv6
    /// and IPv4. Default <c>*</c>: a phone on the same network must reach the server without any setting. That is safe
    /// because nothing can be done there without TLS and an account, and accounts need an invitation
    /// (<see cref="RegistrationOptions.Mode"/>). Plain HTTP has its own <see cref="HttpOptions.Bind"/>.
    /// </summary>
    [Restart] public IReadOnlyList<string> Bind { get; init; } = ["*"];

    /// <summary>XMPP over TCP with STARTTLS. Default 5222, the port RFC 6120 registers (section 14.7).</summary>
    public C2sOptions C2s { get; init; } = new();

    /// <summary>XMPP over TCP with TLS from the first byte (XEP-0368). Default 5223, what clients try without SRV records.</summary>
    public TlsOptions Tls { get; init; } = new();

    public HttpOptions Http { get; init; } = new();

    public HttpsOptions Https { get; init; } = new();

    public CertificateOptions Certificate { get; init; } = new();

    /// <summary>
    /// How the HTTP side is reached from outside, without a path at its end: the base of invitation links, media links
    /// and the WebSocket address in host-meta. Default: <c>http://localhost:PORT</c> for the domain localhost (no
    /// certificate warning on the machine itself), else <c>https://DOMAIN:PORT</c>. Set it behind a reverse proxy.
    /// </summary>
    public Uri? PublicUrl { get; init; }

    public RegistrationOptions Registration { get; init; } = new();

    public LimitsOptions Limits { get; init; } = new();

    public StreamManagementOptions StreamManagement { get; init; } = new();

    public ScramOptions Scram { get; init; } = new();

    public RetentionOptions Retention { get; init; } = new();

    public LoggingOptions Logging { get; init; } = new();

    public DatabaseOptions Database { get; init; } = new();

    public ClusterOptions Cluster { get; init; } = new();

    public ProxyProtocolOptions ProxyProtocol { get; init; } = new();

    public ContactOptions Contacts { get; init; } = new();
}

/// <summary>XMPP over TCP with STARTTLS.</summary>
internal sealed record C2sOptions
{
    /// <summary>Port, 0 for any free one, or <c>off</c>.</summary>
    [Restart] public ListenPort Port { get; init; } = new(5222);
}

/// <summary>XMPP over TCP with direct TLS.</summary>
internal sealed record TlsOptions
{
    /// <summary>Port, 0 for any free one, or <c>off</c>.</summary>
    [Restart] public ListenPort Port { get; init; } = new(5223);
}

/// <summary>HTTP without TLS: for a reverse proxy on this machine, and for the first look at http://localhost:5280/.</summary>
internal sealed record HttpOptions
{
    /// <summary>Port, 0 for any free one, or <c>off</c>. Default 5280, the port of Prosody and ejabberd, known to proxy recipes.</summary>
    [Restart] public ListenPort Port { get; init; } = new(5280);

    /// <summary>
    /// Addresses for HTTP without TLS. Default <c>localhost</c> (127.0.0.1 and ::1): a password typed on an invitation
    /// page would otherwise cross the network in clear. Set it when the reverse proxy runs elsewhere.
    /// </summary>
    [Restart] public IReadOnlyList<string> Bind { get; init; } = ["localhost"];

    /// <summary>
    /// Addresses of reverse proxies whose <c>X-Forwarded-For</c> and <c>X-Forwarded-Proto</c> are believed. Default: this
    /// machine. Anyone else could write a false address and escape the limits that go by address.
    /// </summary>
    [Restart] public IReadOnlyList<string> TrustedProxies { get; init; } = ["127.0.0.1", "::1"];

    /// <summary>
    /// Serve <c>/metrics</c> to the clients of <see cref="MetricsFrom"/>. Default false: the control socket always serves
    /// it, and behind a proxy that does not say whom it forwards for every client seems to be on this machine.
    /// </summary>
    public bool Metrics { get; init; }

    /// <summary>Addresses and networks that may have <c>/metrics</c>. Default: this machine. Name the scraper's; for all others it does not exist.</summary>
    public IReadOnlyList<string> MetricsFrom { get; init; } = ["127.0.0.0/8", "::1"];
}

/// <summary>HTTP with TLS: WebSocket, invitations, media, the web app.</summary>
internal sealed record HttpsOptions
{
    /// <summary>Port, 0 for any free one, or <c>off</c>. Default 5281, next to 5280 as in Prosody and ejabberd; 443 needs privileges.</summary>
    [Restart] public ListenPort Port { get; init; } = new(5281);
}

/// <summary>The TLS certificate. Without a path the server makes a self-signed one in the data folder.</summary>
internal sealed record CertificateOptions
{
    /// <summary>A PEM file (the certificate first, then its chain), or a PKCS#12 file (.pfx, .p12). Read again when it changes.</summary>
    public string? Path { get; init; }

    /// <summary>The PEM file of the private key; not needed for PKCS#12 or when the key stands in the same PEM file.</summary>
    public string? KeyPath { get; init; }

    /// <summary>The password of the key or of the PKCS#12 file, if it has one.</summary>
    [Secret] public string? Password { get; init; }
}

/// <summary>Who may make an account.</summary>
internal enum RegistrationMode
{
    /// <summary>The administrator only.</summary>
    Closed,

    /// <summary>Whoever has an invitation (XEP-0401, XEP-0445).</summary>
    Invite,

    /// <summary>Anyone (XEP-0077). Open servers are found by spammers within days.</summary>
    Open,
}

/// <summary>How accounts come to be.</summary>
internal sealed record RegistrationOptions
{
    /// <summary>Default invite: open registration is what gets small servers on block lists; Prosody and Snikket chose likewise.</summary>
    public RegistrationMode Mode { get; init; } = RegistrationMode.Invite;

    /// <summary>Days until an invitation expires when its maker names no other time. Default 7, "e.g. one week" (XEP-0379 section 4.1).</summary>
    [Bounds(1, 3650)] public int InvitationDays { get; init; } = 7;

    /// <summary>
    /// Attempts to use or look up an invitation, or to register, from one address in an hour. Default 30: a family or
    /// class behind one address gets in, and a 160-bit token cannot be found by trying anyway.
    /// </summary>
    [Bounds(1, 100_000)] public int AttemptsPerAddressPerHour { get; init; } = 30;

    /// <summary>
    /// The shortest password that a user may choose, in characters. Default 8 (NIST SP 800-63B section 5.1.1.2). The
    /// operator's command line is not held to it.
    /// </summary>
    [Bounds(1, 128)] public int MinPasswordLength { get; init; } = 8;

    /// <summary>Whether an account that is logged in may invite others (XEP-0401). Default true: this is how a server of friends grows.</summary>
    public bool UsersMayInvite { get; init; } = true;
}

/// <summary>SCRAM keys (RFC 5802).</summary>
internal sealed record ScramOptions
{
    /// <summary>
    /// Iterations for new passwords. Default 10,000, Prosody's; RFC 7677 asks for 4,096 at least. Every login pays it on
    /// the phone, not on the server, and a stolen database is as hard to crack as this number is large.
    /// </summary>
    [Bounds(4096, 10_000_000)] public int Iterations { get; init; } = 10_000;
}

/// <summary>How long delivered messages are kept.</summary>
internal sealed record RetentionOptions
{
    /// <summary>Days that messages stay in the archive; 0 keeps them. Default 0: a new device of the same account shows the history.</summary>
    [Bounds(0, 36_500)] public int Days { get; init; }
}

/// <summary>What is logged. Applied at once, while running.</summary>
internal sealed record LoggingOptions
{
    /// <summary>The lowest level that is written. Default information: start, stop, refused logins and faults, nothing for each login or message.</summary>
    public LogLevel Level { get; init; } = LogLevel.Information;

    /// <summary>
    /// Other levels for categories that begin with a name, e.g. <c>"Indaba.Server.Gateway": "debug"</c>. The longest
    /// match wins. Orleans and ASP.NET are at warning unless set here: they log by request.
    /// </summary>
    public IReadOnlyDictionary<string, LogLevel> Categories { get; init; } = new Dictionary<string, LogLevel>();
}

/// <summary>Where messages and accounts are kept.</summary>
internal sealed record DatabaseOptions
{
    /// <summary>
    /// A PostgreSQL connection string as Npgsql takes it (<c>Host=db;Database=indaba;Username=indaba;Password=...</c>). Every
    /// node with the same database is a node of the same cluster. Default none: an SQLite file in the data folder, and one node.
    /// </summary>
    [Restart, Secret, OneNode] public string? PostgreSql { get; init; }

    /// <summary>
    /// Connections to PostgreSQL on which a node asks at the same time. Default 8: each holds a question for about a millisecond,
    /// so these are some thousand a second, and six nodes with all their connections stay below PostgreSQL's own limit of 100. They are opened when needed.
    /// </summary>
    [Restart, OneNode, Bounds(1, 64)] public int ReadConnections { get; init; } = 8;

    /// <summary>
    /// Connections on which a node changes accounts, rosters and the like, and claims accounts. Default 4: such changes are rare, and the
    /// more run side by side the more of them are in each other's way and run again.
    /// </summary>
    [Restart, OneNode, Bounds(1, 64)] public int JobConnections { get; init; } = 4;

    /// <summary>
    /// Writers of the log to PostgreSQL in a node, each with a connection. Default 2: measured 59,000 rows/s against 44,000 with one,
    /// and each commit is shared by fewer rows the more there are.
    /// </summary>
    [Restart, OneNode, Bounds(1, 16)] public int LogWriters { get; init; } = 2;
}

/// <summary>This node among others (Orleans). Nodes are anonymous: whoever has the database is in.</summary>
internal sealed record ClusterOptions
{
    /// <summary>Port between nodes; 0 (default) takes any free one, so that two servers on one host never collide.</summary>
    [Restart, OneNode, Bounds(0, 65_535)] public int SiloPort { get; init; }

    /// <summary>Port for Orleans clients; 0 (default) takes any free one.</summary>
    [Restart, OneNode, Bounds(0, 65_535)] public int GatewayPort { get; init; }

    /// <summary>The address at which other nodes reach this one. Default loopback: a single node talks to nobody.</summary>
    [Restart, OneNode] public string Address { get; init; } = IPAddress.Loopback.ToString();

    /// <summary>Port that answers HAProxy's agent-check with this node's load and state. Default off: a single node has no balancer.</summary>
    [Restart, OneNode] public ListenPort AgentPort { get; init; } = ListenPort.Off;

    /// <summary>Addresses for <see cref="AgentPort"/>. Default <c>localhost</c>: it tells how loaded the node is, which is nobody's business but the balancer's.</summary>
    [Restart, OneNode] public IReadOnlyList<string> AgentBind { get; init; } = ["localhost"];

    /// <summary>
    /// Sessions at which this node counts as full for the balancer. Default 0: what its memory holds at 96 kB each (measured:
    /// 58 kB with TLS; the rest is for bursts). It refuses none.
    /// </summary>
    [Bounds(0, 100_000_000)] public int Sessions { get; init; }

    /// <summary>
    /// Seconds without the database until the agent-check says <c>down</c>, at which the balancer cuts the node's sessions.
    /// Default 10: longer than PostgreSQL takes to restart or fail over, for until then acks wait and nobody need reconnect.
    /// </summary>
    [Bounds(0, 3_600)] public int DatabaseSeconds { get; init; } = 10;

    /// <summary>
    /// Seconds between the moment that a node says that it drains and the first session it ends. Default 5: the balancer
    /// asks every second and Kubernetes takes about two to take an address out; until then clients would come straight back.
    /// </summary>
    [Bounds(0, 300)] public int DrainNoticeSeconds { get; init; } = 5;

    /// <summary>
    /// Seconds over which the sessions of a draining node are ended. Default 60: 5,000 sessions are 83 logins a second
    /// for the other nodes together, well below what one takes.
    /// </summary>
    [Bounds(0, 3_600)] public int DrainSeconds { get; init; } = 60;

    /// <summary>
    /// As both together, for a node of a cluster that is stopped (SIGTERM) without having been drained: a third is notice.
    /// Default 3, so that the whole stop stays under 10; a node alone ends its sessions at once, there is no other place.
    /// </summary>
    [Bounds(0, 5)] public int StopSeconds { get; init; } = 3;
}

/// <summary>The PROXY protocol (version 2): a balancer says whose connection it forwards.</summary>
internal sealed record ProxyProtocolOptions
{
    /// <summary>
    /// Addresses or networks of balancers. Every connection from them, on all ports but the agent's, must begin with a
    /// PROXY header, which is believed: client address, and whether TLS ended there. Default none: whoever is in this list
    /// can pretend to be any address.
    /// </summary>
    [Restart] public IReadOnlyList<string> From { get; init; } = [];
}

/// <summary>Whom to write to about this server, published by XEP-0157. URIs such as <c>mailto:</c>, <c>xmpp:</c>, <c>https:</c>. None by default.</summary>
internal sealed record ContactOptions
{
    public IReadOnlyList<string> Admin { get; init; } = [];

    public IReadOnlyList<string> Abuse { get; init; } = [];

    public IReadOnlyList<string> Support { get; init; } = [];

    public IReadOnlyList<string> Security { get; init; } = [];
}
