using System.Diagnostics.Metrics;
using Indaba.Server.Accounts;
using Indaba.Server.Cluster;
using Indaba.Server.Mailbox;
using Indaba.Server.Modules;
using Indaba.Server.Options;
using Indaba.Server.Routing;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;
using Indaba.Server.Streams;
using Indaba.Server.Telemetry;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;

namespace Indaba.Server;

/// <summary>One running server: everything that the parts of it need of each other. Made once, by the host.</summary>
internal sealed class Node
{
    public Node(Settings settings, TimeProvider time, ILoggerFactory logs, IGrainFactory grains, Func<NodeServiceClient> services, Func<Orleans.Runtime.SiloAddress> self, IMeterFactory meters, Database database, MailboxLog mailbox)
    {
        Settings = settings;
        Time = time;
        StartedAt = time.GetUtcNow();
        Log = logs.CreateLogger("Indaba");
        Database = database;
        Mailbox = mailbox;
        AccountRows = new AccountStore(database);
        Rosters = new RosterStore(database);
        Data = new DataStore(database);
        Address = new PublicAddress(settings);
        AccountService = new AccountService(AccountRows, settings) { EndSessions = EndSessionsAsync };
        Invitations = new Invitations(new InvitationStore(database), AccountRows, AccountService, settings, Address, time);
        Tokens = new TokenStore(database);
        Devices = new DeviceStore(database);
        Modules = ModuleBuilder.Build(All.Modules);
        Accounts = new LocalAccounts(this, grains);
        Links = new NodeLinks(this, services, self);
        Forwarding = new Forwarding(this, Links.Routes);
        Delivery = new Delivery(this);
        Router = new Router(this);
        Presence = new PresenceService(this);
        Invitations.Accepted = Presence.Befriending.AcceptedAsync;
        Attempts = new AttemptLimit(time, () => Options.Registration.AttemptsPerAddressPerHour);
        Registrar = new Registrar(this);
        Metrics = new Metrics(meters, this);
        Admission = new Admission(() => Options.Limits, time, meters);
        Mailbox.BatchCompleted = Sessions.FlushDirty;
    }

    /// <summary>What names this node in the process table; random, since nodes are anonymous.</summary>
    public string Name { get; } = "n-" + Ids.New(6);
    public Settings Settings { get; }
    /// <summary>The settings in force now.</summary>
    public ServerOptions Options => Settings.Current;
    public TimeProvider Time { get; }
    public ILogger Log { get; }
    public Database Database { get; }
    /// <summary>The logs of the accounts.</summary>
    public MailboxLog Mailbox { get; }
    public AccountStore AccountRows { get; }
    public RosterStore Rosters { get; }
    public DataStore Data { get; }
    /// <summary>Where the HTTP side is reached from outside.</summary>
    public PublicAddress Address { get; }
    /// <summary>Makes and changes accounts.</summary>
    public AccountService AccountService { get; }
    public Invitations Invitations { get; }
    /// <summary>What strangers may try from one address, by whatever way they come.</summary>
    public AttemptLimit Attempts { get; }
    /// <summary>Registration before login (XEP-0077).</summary>
    public Registrar Registrar { get; }
    public TokenStore Tokens { get; }
    public DeviceStore Devices { get; }
    /// <summary>What the modules have registered.</summary>
    public ModuleBuilder Modules { get; }
    /// <summary>The accounts that this node holds.</summary>
    public LocalAccounts Accounts { get; }
    /// <summary>The ways to the other nodes.</summary>
    public NodeLinks Links { get; }
    /// <summary>What is done for accounts that other nodes hold.</summary>
    public Forwarding Forwarding { get; }
    /// <summary>What other nodes may ask this one, by name.</summary>
    public Dictionary<string, Func<ReadOnlyMemory<byte>, Task<byte[]?>>> Questions { get; } = new(StringComparer.Ordinal);
    public Delivery Delivery { get; }
    public Router Router { get; }
    /// <summary>Presence, probes and subscriptions.</summary>
    public PresenceService Presence { get; }
    public Metrics Metrics { get; }
    /// <summary>How many log in at a time.</summary>
    public Admission Admission { get; }
    /// <summary>What this node is doing.</summary>
    public Lifecycle Lifecycle { get; } = new();
    /// <summary>True when other nodes may have the same database.</summary>
    public bool InCluster => Options.Database.PostgreSql is not null;
    /// <summary>True once the balancer has had its time to take this node out: whoever still comes is sent to another one.</summary>
    public bool SendsAway { get; set; }
    /// <summary>The sessions of this node.</summary>
    public SessionTable Sessions { get; } = new();
    /// <summary>When the server was started.</summary>
    public DateTimeOffset StartedAt { get; }
    /// <summary>Keeps the salt of users that do not exist the same (see ScramKeys.Fake); of the data, not of the process.</summary>
    public byte[] LoginSecret { get; init; } = [];
    /// <summary>
    /// Breaks the first promise on purpose, so that the kill test can show that it would notice: an ack does not wait for
    /// its commit. Set by the environment variable UNSAFE_ACK_BEFORE_COMMIT; never in earnest.
    /// </summary>
    public bool AcksBeforeCommit { get; init; }
    /// <summary>Set when the node begins to stop.</summary>
    public CancellationToken StopToken { get; init; }
    /// <summary>No session outlives what it was opened with; the account's state is loaded again when it is next needed.</summary>
    private async Task EndSessionsAsync(AccountRow row, SessionsEnd why, Session? stays)
    {
        if (!Jid.TryCreate(row.Local, row.Domain, null, out var jid)) return;
        if (Accounts.Local(jid) is { } account) await EndSessionsHereAsync(account, why, stays).ConfigureAwait(false);
        else if (!Links.IsAlone) await Forwarding.EndSessionsAsync(jid, why).ConfigureAwait(false);
        if (why == SessionsEnd.Deleted)
        {
            try
            {
                // Else whoever takes the name later would be a contact of these people (XEP-0077 section 3.2).
                await Presence.LeaveAsync(Accounts.Local(jid) ?? new Account(this, row, new LogHead(0, 0, [], []))).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                Log.PresenceFailed(jid, e);
            }
        }
        if (why != SessionsEnd.PasswordChanged) await Accounts.ForgetAsync(jid).ConfigureAwait(false);
    }

    /// <summary>Ends the sessions of an account that this node holds, but for one that may stay.</summary>
    public static Task EndSessionsHereAsync(Account account, SessionsEnd why, Session? stays)
    {
        var closing = new StreamClosing(StreamCondition.NotAuthorized, why switch
        {
            SessionsEnd.PasswordChanged => "the password was changed",
            SessionsEnd.Disabled => "the account is disabled",
            _ => "the account was deleted",
        });
        return Task.WhenAll(account.Sessions.Where(s => s != stays).Select(s => s.EndAsync(notifyPeers: true, closing)));
    }

    /// <summary>True once new clients are better served elsewhere: the node drains or stops.</summary>
    public bool IsLeaving => Lifecycle.State is NodeState.Draining or NodeState.Stopping;
    /// <summary>True once the node is on its way down: nothing new begins.</summary>
    public bool Stopping => StopToken.IsCancellationRequested;
}
