namespace Indaba.Xmpp;

/// <summary>Every namespace this project speaks. They stand here and nowhere else.</summary>
public static class Ns
{
    // RFC 6120, 6121, 7395
    public const string Client = "jabber:client";
    public const string Server = "jabber:server";
    public const string Stream = "http://etherx.jabber.org/streams";
    public const string StreamErrors = "urn:ietf:params:xml:ns:xmpp-streams";
    public const string StanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas";
    public const string Tls = "urn:ietf:params:xml:ns:xmpp-tls";
    public const string Sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
    public const string Bind = "urn:ietf:params:xml:ns:xmpp-bind";
    public const string Session = "urn:ietf:params:xml:ns:xmpp-session";
    public const string Framing = "urn:ietf:params:xml:ns:xmpp-framing";
    public const string Xml = "http://www.w3.org/XML/1998/namespace";
    public const string Roster = "jabber:iq:roster";
    public const string RosterVersioning = "urn:xmpp:features:rosterver";
    public const string PreApproval = "urn:xmpp:features:pre-approval";

    /// <summary>Names this server software in its own capabilities (XEP-0115).</summary>
    public const string Software = "urn:indaba:server";

    // Prefixes of the protocol's own older namespaces (XEP-0049 section 2.3)
    public const string Reserved = "jabber:";
    public const string ReservedHttp = "http://jabber.org/";

    // XEPs, by number
    public const string DataForms = "jabber:x:data"; // 0004
    public const string LastActivity = "jabber:iq:last"; // 0012
    public const string DiscoInfo = "http://jabber.org/protocol/disco#info"; // 0030
    public const string DiscoItems = "http://jabber.org/protocol/disco#items"; // 0030
    public const string MucUser = "http://jabber.org/protocol/muc#user"; // 0045
    public const string PrivateXml = "jabber:iq:private"; // 0049
    public const string Commands = "http://jabber.org/protocol/commands"; // 0050
    public const string VCard = "vcard-temp"; // 0054
    public const string Rsm = "http://jabber.org/protocol/rsm"; // 0059
    public const string Register = "jabber:iq:register"; // 0077
    public const string RegisterChange = "jabber:iq:register:changepassword"; // 0077
    public const string RegisterFeature = "http://jabber.org/features/iq-register"; // 0077
    public const string ChatStates = "http://jabber.org/protocol/chatstates"; // 0085
    public const string Version = "jabber:iq:version"; // 0092
    public const string DataValidate = "http://jabber.org/protocol/xdata-validate"; // 0122
    public const string Caps = "http://jabber.org/protocol/caps"; // 0115
    public const string HostMetaXrd = "http://docs.oasis-open.org/ns/xri/xrd-1.0"; // 0156
    public const string OfflineFeature = "msgoffline"; // 0160
    public const string AltConnectionWebSocket = "urn:xmpp:alt-connections:websocket"; // 0156
    public const string Receipts = "urn:xmpp:receipts"; // 0184
    public const string Blocking = "urn:xmpp:blocking"; // 0191
    public const string BlockingErrors = "urn:xmpp:blocking:errors"; // 0191
    public const string StreamManagement = "urn:xmpp:sm:3"; // 0198
    public const string Ping = "urn:xmpp:ping"; // 0199
    public const string Time = "urn:xmpp:time"; // 0202
    public const string Delay = "urn:xmpp:delay"; // 0203
    public const string Conference = "jabber:x:conference"; // 0249
    public const string Carbons = "urn:xmpp:carbons:2"; // 0280
    public const string CarbonsRules = "urn:xmpp:carbons:rules:0"; // 0280
    public const string Forward = "urn:xmpp:forward:0"; // 0297
    public const string Mam = "urn:xmpp:mam:2"; // 0313
    public const string MamExtended = "urn:xmpp:mam:2#extended"; // 0313
    public const string MamGroupchatField = "urn:xmpp:mam:2#groupchat-field"; // 0313
    public const string ChatMarkers = "urn:xmpp:chat-markers:0"; // 0333
    public const string Hints = "urn:xmpp:hints"; // 0334
    public const string Csi = "urn:xmpp:csi:0"; // 0352
    public const string StanzaIds = "urn:xmpp:sid:0"; // 0359
    public const string Preauth = "urn:xmpp:pars:0"; // 0379
    public const string Bind2 = "urn:xmpp:bind:0"; // 0386
    public const string Sasl2 = "urn:xmpp:sasl:2"; // 0388
    public const string Invite = "urn:xmpp:invite"; // 0401
    public const string InviteUser = "urn:xmpp:invite#invite"; // 0401
    public const string InviteAccount = "urn:xmpp:invite#create-account"; // 0401
    public const string InviteForm = "urn:xmpp:invite#invitation"; // 0401
    public const string InviteRegister = "urn:xmpp:ibr-token:0"; // 0445
    public const string OccupantId = "urn:xmpp:occupant-id:0"; // 0421
    public const string ChannelBinding = "urn:xmpp:sasl-cb:0"; // 0440
    public const string Fast = "urn:xmpp:fast:0"; // 0484
    public const string AddressesForm = "http://jabber.org/network/serverinfo"; // 0157
}
