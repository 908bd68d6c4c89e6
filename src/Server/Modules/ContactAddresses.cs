using Indaba.Server.Options;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0157 Contact Addresses for XMPP Services: whom to write to about this server, from the settings.</summary>
internal sealed class ContactAddresses : Module
{
    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0157", "1.1.1", "Contact Addresses for XMPP Services")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m.DiscoForm(static node => Form(node.Options.Contacts));

    /// <summary>The form; a role without an address is left out.</summary>
    public static Element Form(ContactOptions contacts)
    {
        var form = new Element("x", Ns.DataForms).With("type", "result")
            .Add(new Element("field", Ns.DataForms).With("var", "FORM_TYPE").With("type", "hidden").Add("value", Ns.DataForms, Ns.AddressesForm));
        Add(form, "abuse-addresses", contacts.Abuse);
        Add(form, "admin-addresses", contacts.Admin);
        Add(form, "security-addresses", contacts.Security);
        Add(form, "support-addresses", contacts.Support);
        return form;
    }

    private static void Add(Element form, string role, IReadOnlyList<string> addresses)
    {
        if (addresses.Count == 0) return;
        var field = new Element("field", Ns.DataForms).With("var", role).With("type", "list-multi");
        foreach (var address in addresses) field.Add("value", Ns.DataForms, address);
        form.Add(field);
    }
}
