namespace Indaba.Server.Options;

/// <summary>
/// What one client can cost. Everything that a client can send or make the server hold has its bound here, so that the
/// bounds stand together and can be argued with. All are read per use: a change applies to running sessions.
/// </summary>
internal sealed record LimitsOptions
{
    /// <summary>Bytes of one stanza after login. Default 262,144, ejabberd's shipped <c>max_stanza_size</c> for clients: an avatar of 190 kB in Base64 fits.</summary>
    [Bounds(10_000, 16_777_216)] public int MaxStanzaBytes { get; init; } = 262_144;

    /// <summary>
    /// Bytes of one element before login. Default 8,192, what ejabberd allows strangers since 2026: SASL and features
    /// need about 2 kB. RFC 6120 section 13.12 forbids less than 10,000 for stanzas, which come only after login.
    /// </summary>
    [Bounds(1_024, 262_144)] public int MaxStanzaBytesUnauthenticated { get; init; } = 8_192;

    /// <summary>Elements within one element before login. Default 32, ejabberd's: a tree costs more memory than its bytes.</summary>
    [Bounds(8, 4_096)] public int MaxElementsUnauthenticated { get; init; } = 32;

    /// <summary>Depth of one stanza. Default 64: twice what the deepest XEP example (a forwarded, encrypted, replied message in a form) needs.</summary>
    [Bounds(8, 1_024)] public int MaxDepth { get; init; } = 64;

    /// <summary>
    /// Connections from one address at a time, logged in or not; 0 is no bound. Default 1,000: an office or a mobile
    /// operator's NAT hides that many devices. Loopback is never counted: that is the proxy, or the administrator.
    /// </summary>
    [Bounds(0, 1_000_000)] public int ConnectionsPerAddress { get; init; } = 1_000;

    /// <summary>Seconds from connection to login. Default 30: a slow phone needs 3 to 5; ejabberd gives 120, Prosody 300.</summary>
    [Bounds(1, 3_600)] public int UnauthenticatedSeconds { get; init; } = 30;

    /// <summary>Failed logins on one connection. Default 5: RFC 6120 section 6.4.5 asks for "at least 2" and no more than 5.</summary>
    [Bounds(2, 100)] public int LoginAttemptsPerConnection { get; init; } = 5;

    /// <summary>
    /// Logins that go on at a time, from the TLS handshake to the bound session; what keeps a node usable in a reconnect storm.
    /// Default 0: 32 for each processor. They take no more time together than in turn, and sessions that are bound wait less.
    /// </summary>
    [Bounds(0, 100_000)] public int LoginsInFlight { get; init; }

    /// <summary>
    /// Logins that wait for their turn, in order; more are told in how many seconds to come back (<c>resource-constraint</c>,
    /// or 503 with Retry-After). Default 2,000: their turn comes within 10 seconds, before clients give up.
    /// </summary>
    [Bounds(0, 1_000_000)] public int LoginQueue { get; init; } = 2_000;

    /// <summary>Sessions of one account, parked ones included. Default 20: ejabberd's shipped 10 is too few when each browser tab is one.</summary>
    [Bounds(1, 10_000)] public int SessionsPerAccount { get; init; } = 20;

    /// <summary>
    /// Stanzas that wait for one client or are not acked by it (XEP-0198); beyond it the session reads on from the
    /// mailbox after an ack. Default 512, near Prosody's 500. A session keeps the value it began with.
    /// </summary>
    [Bounds(16, 65_536)] public int UnackedWindow { get; init; } = 512;

    /// <summary>
    /// Bytes that are held for one client before it is cut off and its messages stay in the mailbox. Default 1,048,576:
    /// four largest stanzas. A client that never reads costs this much, and a thousand of them a gigabyte.
    /// </summary>
    [Bounds(65_536, 268_435_456)] public int OutboundBytes { get; init; } = 1_048_576;

    /// <summary>Stanzas read from one client whose commit is still under way; beyond it the socket is not read (TCP slows the sender). Default 128.</summary>
    [Bounds(1, 65_536)] public int InboundUncommitted { get; init; } = 128;

    /// <summary>
    /// Bytes a second that one client may send for long; 0 is no bound. Default 10,240, the "10kb/s" that Prosody ships
    /// for clients: ten messages a second. More is read later, never refused.
    /// </summary>
    [Bounds(0, 1_073_741_824)] public int BytesPerSecond { get; init; } = 10_240;

    /// <summary>
    /// Bytes that one client may send at once before <see cref="BytesPerSecond"/> holds it. Default 524,288: two
    /// largest stanzas, so that an avatar or what was written offline goes without a pause. Prosody allows 2 seconds' worth.
    /// </summary>
    [Bounds(1_024, 1_073_741_824)] public int BurstBytes { get; init; } = 524_288;

    /// <summary>Contacts in one roster. Default 2,000: ten times a large address book; each is sent at every login of a client without versions.</summary>
    [Bounds(1, 1_000_000)] public int RosterItems { get; init; } = 2_000;

    /// <summary>Largest page of an archive query (XEP-0313); more are asked for by paging. Default 250, ejabberd's bound.</summary>
    [Bounds(1, 10_000)] public int ArchivePage { get; init; } = 250;
}

/// <summary>XEP-0198.</summary>
internal sealed record StreamManagementOptions
{
    /// <summary>
    /// Seconds that a session can be resumed after its connection broke. Default 600, as Prosody and MongooseIM: it
    /// covers a train ride without network; messages are in the mailbox anyway, so no loss hangs on it.
    /// </summary>
    [Bounds(0, 86_400)] public int ResumeSeconds { get; init; } = 600;

    /// <summary>
    /// Milliseconds between two requests for an ack, unless many stanzas are unacked. Default 500: each request costs
    /// two packets, and a later one only means that more is sent again after a crash.
    /// </summary>
    [Bounds(0, 60_000)] public int AckRequestMilliseconds { get; init; } = 500;

    /// <summary>
    /// Where a device should come back to resume: <c>host</c>, <c>host:port</c> or <c>[address]:port</c> (XEP-0198 section 3,
    /// "location"). Default none: with one node the address that it used is the right one; behind a balancer each node names itself.
    /// </summary>
    [OneNode] public string? Location { get; init; }

    /// <summary>Seconds without a byte after which a client that does XEP-0198 is asked for an ack. Default 300: below the 15 to 30 minutes of most NAT tables.</summary>
    [Bounds(10, 86_400)] public int IdleSeconds { get; init; } = 300;

    /// <summary>Seconds that an answer to such a question may take before the connection counts as dead. Default 60: a phone in doze wakes within it.</summary>
    [Bounds(5, 3_600)] public int AckSeconds { get; init; } = 60;
}
