using Indaba.Xmpp;

namespace Indaba.Server.Modules;

/// <summary>Specifications that the core itself stands for, with the place where: they need no handler of their own.</summary>
internal sealed class Core : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs =>
    [
        new("RFC 6120", "", "Extensible Messaging and Presence Protocol (XMPP): Core", "src/Xmpp, Streams, Routing; no server-to-server"),
        new("RFC 7395", "", "XMPP Subprotocol for WebSocket", "Gateway"),
        new("RFC 7622", "", "XMPP: Address Format", "src/Xmpp/Jid.cs, Precis"),
        new("XEP-0068", "1.3.0", "Field Standardization for Data Forms", "FORM_TYPE in disco#info"),
        new("XEP-0082", "1.1.1", "XMPP Date and Time Profiles", "src/Xmpp/Timestamp.cs"),
        new("XEP-0085", "2.1", "Chat State Notifications", "Delivered to who is there, never stored: Accounts/StorePlan.cs"),
        new("XEP-0160", "1.0.1", "Best Practices for Handling Offline Messages", "A view of the log: Accounts/StorePlan.cs, Sessions/Backlog.cs"),
        new("XEP-0198", "1.6.3", "Stream Management", "An ack is a commit: Streams/Management.cs, Sessions"),
        new("XEP-0203", "2.0", "Delayed Delivery", "On what waited: Accounts/Copies.cs; on answers to probes: Accounts/PresenceProbes.cs; forged ones are taken out: Modules/UniqueIds.cs"),
        new("XEP-0237", "1.3", "Roster Versioning", "Part of RFC 6121 (section 2.6) since: Accounts/RosterService.cs"),
        new("XEP-0334", "1.0.0", "Message Processing Hints", "Accounts/StorePlan.cs"),
        new("XEP-0368", "1.1.0", "SRV records for XMPP over TLS", "Direct TLS on a port of its own: ServerHost.cs"),
        new("XEP-0386", "1.1.0", "Bind 2", "Streams/Binding.cs"),
        new("XEP-0388", "1.0.4", "Extensible SASL Profile", "Streams/SaslNegotiation.cs"),
        new("XEP-0440", "1.0.0", "SASL Channel-Binding Type Capability", "Streams/Features.cs"),
        new("XEP-0474", "0.5.0", "SASL SCRAM Downgrade Protection", "src/Xmpp/Sasl"),
        new("XEP-0484", "0.2.0", "Fast Authentication Streamlining Tokens", "Streams/Login.cs"),
    ];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.OfflineFeature); // XEP-0160 section 4
}
