namespace Indaba.Server.Modules;

/// <summary>The whole of what the server speaks. The order is the order of hooks within a stage; a reason stands beside each line that needs its place.</summary>
internal static class All
{
    public static readonly Module[] Modules =
    [
        new Core(),
        new UniqueIds(),        // first: no other hook sees what only a server may say
        new Blocking(),         // before everything that answers, copies or stores
        new Disco(),
        new Caps(),
        new LastActivity(),
        new InstantMessaging(),
        new Ping(),
        new SoftwareVersion(),
        new EntityTime(),
        new PrivateXml(),
        new ContactAddresses(),
        new LegacySession(),
        new Archive(),
        new ArchivePreferences(),
        new Carbons(),
        new Csi(),
        new AdHoc(),
        new InviteCommands(),
        new InBandRegistration(),
        new Receipts(),         // these two after whatever may refuse a message: what was refused was not delivered
        new ChatMarkers(),
    ];
}
