using Indaba.Server.Accounts;
using Indaba.Server.Mailbox;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Indaba.Server.Telemetry;

namespace Indaba.Server.Admin;

/// <summary>What the control socket works with.</summary>
internal sealed record AdminServices(
    Settings Settings, PublicAddress Address, AccountService Accounts, AccountStore AccountRows, Invitations Invitations, MailboxLog Mailbox,
    ProcessTable Processes, PrometheusExporter Metrics, TimeProvider Time);
