using Indaba.Server.Accounts;
using Indaba.Server.Mailbox;
using Indaba.Server.Modules;
using Indaba.Server.Options;
using Indaba.Server.Routing;
using Indaba.Server.Sessions;
using Indaba.Server.Storage;

namespace Indaba.Server;

/// <summary>One running server: everything that the parts of it need of each other. Made once, by the host.</summary>
internal sealed class Node
{
    public Node(Settings settings, TimeProvider time, ILoggerFactory logs, IGrainFactory grains, Database database, MailboxLog mailbox)
    {
        Settings = settings;
        Time = time;
        Log = logs.CreateLogger("Indaba");
        Database = database;
        Mailbox = mailbox;
        AccountRows = new AccountStore(database);
        Rosters = new RosterStore(database);
        Data = new DataStore(database);
        Invitations = new InvitationStore(database);
        Tokens = new TokenStore(database);
        Devices = new DeviceStore(database);
        Modules = ModuleBuilder.Build(All.Modules);
        Accounts = new LocalAccounts(grains);
        Delivery = new Delivery(this);
        Router = new Router(this);
        Presence = new PresenceService(this);
        Address = new PublicAddress(settings);
        AccountService = new AccountService(AccountRows, settings) { EndSessions = Accounts.EndSessionsAsync };
        Invites = new Invitations(Invitations, AccountRows, AccountService, settings, Address, time) { Accepted = Presence.BefriendAsync };
        Registrar = new Registrar(this);
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
    public InvitationStore Invitations { get; }
    public TokenStore Tokens { get; }
    public DeviceStore Devices { get; }
    /// <summary>What the modules have registered.</summary>
    public ModuleBuilder Modules { get; }
    /// <summary>The accounts that this node holds.</summary>
    public LocalAccounts Accounts { get; }
    public Delivery Delivery { get; }
    public Router Router { get; }
    /// <summary>Presence, probes and subscriptions.</summary>
    public PresenceService Presence { get; }
    /// <summary>Where the HTTP side is reached from outside.</summary>
    public PublicAddress Address { get; }
    /// <summary>Makes and changes accounts.</summary>
    public AccountService AccountService { get; }
    /// <summary>Makes and redeems invitations.</summary>
    public Invitations Invites { get; }
    /// <summary>Registration before login.</summary>
    public Registrar Registrar { get; }
    /// <summary>The sessions of this node.</summary>
    public SessionTable Sessions { get; } = new();
    /// <summary>Keeps the salt of users that do not exist the same (see ScramKeys.Fake); of the data, not of the process.</summary>
    public byte[] LoginSecret { get; init; } = [];
    /// <summary>Set when the node begins to stop.</summary>
    public CancellationToken StopToken { get; init; }
    /// <summary>True once the node is on its way down: nothing new begins.</summary>
    public bool Stopping => StopToken.IsCancellationRequested;
}
