using Indaba.Server.Accounts;
using Indaba.Server.Storage;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0401 Ad-hoc Account Invitation Generation: links by which friends come to the server.</summary>
internal sealed class InviteCommands : Module
{
    /// <summary>Open invitations of one user: enough for a class, too few to fill a disk.</summary>
    private const int MaxOpen = 100;
    private const int MaxListed = 500;

    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs =>
    [
        new("XEP-0401", "0.6.0", "Ad-hoc Account Invitation Generation"),
        new("XEP-0379", "0.3.3", "Pre-Authenticated Roster Subscription", "Tokens are made and redeemed by the server"),
    ];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Command(new AdHocCommand(Ns.InviteUser, "Invite a friend", static c => ValueTask.FromResult(c.Node.Options.Registration.UsersMayInvite), InviteAsync))
        .Command(new AdHocCommand(Ns.InviteAccount, "Invite to an account", IsAdminAsync, CreateAccountAsync));

    private static async ValueTask<bool> IsAdminAsync(IqContext context) =>
        await context.Node.AccountRows.FindByIdAsync(context.Session.Account.Id).ConfigureAwait(false) is { Role: Role.Admin, Disabled: false };

    /// <summary>Section 4.1: a contact who may make an account; without further questions.</summary>
    private static async ValueTask<CommandStep> InviteAsync(IqContext context, DataForm? form)
    {
        var (node, row) = (context.Node, context.Session.Account.Row);
        var now = node.Time.GetUtcNow();
        var made = await node.Invitations.MadeByAsync(row, MaxListed).ConfigureAwait(false);
        if (made.Count >= MaxListed || made.Count(i => i.ExpiresAt > now && i.Uses < i.MaxUses) >= MaxOpen)
            return CommandStep.Fail("You have many open invitations: wait until some of them are used or expire.");
        var invitation = await node.Invitations.CreateContactAsync(row).ConfigureAwait(false);
        return invitation is null ? CommandStep.Fail("This server does not let its users invite.") : CommandStep.End(Result(node, invitation));
    }

    /// <summary>Section 4.4: an account, for administrators.</summary>
    private static async ValueTask<CommandStep> CreateAccountAsync(IqContext context, DataForm? form)
    {
        if (form is null) return CommandStep.Ask(Form());
        if (form.Type != "submit") throw AdHoc.BadPayload();
        var (node, row) = (context.Node, context.Session.Account.Row);
        var name = form["username"]?.Trim();
        if (string.IsNullOrEmpty(name)) name = null;
        var befriend = form["roster-subscription"] is { } wish && (DataForm.Boolean(wish) ?? throw AdHoc.BadPayload());
        var outcome = await node.Invitations.TryCreateAccountInvitationAsync(befriend ? row : null, row.Id, name).ConfigureAwait(false);
        return outcome switch
        {
            { Invitation: { } invitation } => CommandStep.End(Result(node, invitation)),
            { Outcome: AccountOutcome.NameTaken } => CommandStep.Fail("This name is taken."),
            _ => CommandStep.Fail("This name cannot be used."),
        };
    }

    private static Element Form() => DataForm.Make("form", null, "Invite to an account", "Whoever has the link can make an account. Leave the name empty to let them choose it.")
        .Add(DataForm.Field("username", "text-single", "Username"))
        .Add(DataForm.Field("roster-subscription", "boolean", "Make us contacts of each other", "false"));

    private static Element Result(Node node, Invitation invitation)
    {
        var form = DataForm.Make("result", Ns.InviteForm).Add(DataForm.Field("uri", "text-single", null, node.Invitations.XmppUri(invitation)));
        if (node.Invitations.Link(invitation) is { } link) form.Add(DataForm.Field("landing-url", "text-single", null, link.AbsoluteUri));
        return form.Add(DataForm.Field("expire", "text-single", null, Timestamp.Format(invitation.ExpiresAt)));
    }
}
