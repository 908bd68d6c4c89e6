using Indaba.Xmpp.Xml;

namespace Indaba.Xmpp.Stanzas;

/// <summary>One field of a data form (XEP-0004 section 3.2). Type is null where the context says it (a submitted form).</summary>
public sealed record FormField(string Var, string? Type, IReadOnlyList<string> Values)
{
    /// <summary>The first value, or null.</summary>
    public string? Value => Values.Count == 0 ? null : Values[0];
}

/// <summary>A data form (XEP-0004): reads what was submitted, writes what is asked for or answered.</summary>
public sealed class DataForm
{
    private readonly List<FormField> _fields = [];

    private DataForm(string type) => Type = type;

    /// <summary>"form", "submit", "cancel" or "result" (section 3.1).</summary>
    public string Type { get; }

    /// <summary>The fields in order, FORM_TYPE included.</summary>
    public IReadOnlyList<FormField> Fields => _fields;

    /// <summary>What names the fields (XEP-0068), or null.</summary>
    public string? FormType => this["FORM_TYPE"];

    /// <summary>The first value of a field; null when there is none.</summary>
    public string? this[string name]
    {
        get
        {
            foreach (var field in _fields) if (field.Var == name) return field.Value;
            return null;
        }
    }

    /// <summary>Reads a form.</summary>
    /// <exception cref="StanzaException">bad-request: no known type, a field without a name, or one that occurs twice.</exception>
    public static DataForm Parse(Element x)
    {
        if (x["type"] is not ("form" or "submit" or "cancel" or "result") || !x.Is("x", Ns.DataForms)) throw new StanzaException(StanzaCondition.BadRequest, "this is no data form");
        var form = new DataForm(x["type"]!);
        foreach (var element in x.Children("field", Ns.DataForms))
        {
            var name = element["var"];
            if (name is null && element["type"] == "fixed") continue; // text for people
            if (name is null || form._fields.Exists(f => f.Var == name)) throw new StanzaException(StanzaCondition.BadRequest, "a field of the form has no name, or one has it already");
            if (form._fields.Count == MaxFields) throw new StanzaException(StanzaCondition.BadRequest, "too many fields");
            form._fields.Add(new FormField(name, element["type"], [.. element.Children("value", Ns.DataForms).Select(v => v.Text)]));
        }
        return form;
    }

    /// <summary>Fields of a form that is read; no form of a XEP has as many, and looking for doubles costs their square.</summary>
    public const int MaxFields = 256;

    /// <summary>True for what XEP-0004 section 3.3 writes as boolean true; false for false; null for anything else.</summary>
    public static bool? Boolean(string? value) => value?.Trim() switch { "1" or "true" => true, "0" or "false" => false, _ => null };

    /// <summary>Begins a form that the server sends; <paramref name="formType"/> becomes its hidden FORM_TYPE.</summary>
    public static Element Make(string type, string? formType, string? title = null, string? instructions = null)
    {
        var x = new Element("x", Ns.DataForms).With("type", type);
        if (title is not null) x.Add("title", Ns.DataForms, title);
        if (instructions is not null) x.Add("instructions", Ns.DataForms, instructions);
        return formType is null ? x : x.Add(Field("FORM_TYPE", "hidden", null, formType));
    }

    /// <summary>A field for <see cref="Make"/>.</summary>
    public static Element Field(string name, string type, string? label, params ReadOnlySpan<string> values)
    {
        var field = new Element("field", Ns.DataForms).With("var", name).With("type", type).With("label", label);
        foreach (var value in values) field.Add("value", Ns.DataForms, value);
        return field;
    }
}
