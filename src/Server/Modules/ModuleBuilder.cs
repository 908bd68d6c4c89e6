using Indaba.Server.Sessions;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>A place for a module's own state on a session or an account; made at start, empty until set.</summary>
internal sealed record Slot<T>(int Index) where T : class;

/// <summary>Collects what the modules register. The result is data: disco answers, stream features and docs/xeps.md come from it.</summary>
internal sealed class ModuleBuilder
{
    private static readonly int StageCount = Enum.GetValues<Stage>().Length;
    private readonly List<Spec> _specs = [];
    private readonly List<string> _serverFeatures = [], _accountFeatures = [];
    private readonly List<Func<Node, Element>> _serverForms = [];
    private readonly List<Func<Node, Element?>> _streamFeatures = [];
    private readonly List<BindInline> _bindInline = [];
    private readonly List<Func<Node, Session, ValueTask<Element?>>> _boundExtras = [];
    private readonly Dictionary<(Target, IqType, string, string), IqHandler> _iq = [];
    private readonly List<StageHandler>[] _stages = [.. Enumerable.Range(0, StageCount).Select(_ => new List<StageHandler>())];
    private readonly Dictionary<string, AdHocCommand> _commands = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DiscoNode> _discoNodes = new(StringComparer.Ordinal);
    private int _sessionSlots, _accountSlots;

    /// <summary>Registers every module in order. A second handler of one iq payload stops the start.</summary>
    public static ModuleBuilder Build(IEnumerable<Module> modules)
    {
        var builder = new ModuleBuilder();
        foreach (var module in modules)
        {
            builder._specs.AddRange(module.Specs);
            module.Register(builder);
        }
        return builder;
    }

    /// <summary>Every specification, in order of registration.</summary>
    public IReadOnlyList<Spec> Specs => _specs;
    /// <summary>Features that disco#info of the server shows.</summary>
    public IReadOnlyList<string> ServerFeatures => _serverFeatures;
    /// <summary>Features that disco#info of an account (bare JID) shows.</summary>
    public IReadOnlyList<string> AccountFeatures => _accountFeatures;
    /// <summary>Extended disco#info forms of the server (XEP-0128), made for each answer.</summary>
    public IReadOnlyList<Func<Node, Element>> ServerForms => _serverForms;
    /// <summary>Stream features offered after authentication, before binding (null: not now).</summary>
    public IReadOnlyList<Func<Node, Element?>> StreamFeatures => _streamFeatures;
    /// <summary>Features that can be switched on inside Bind 2 (XEP-0386).</summary>
    public IReadOnlyList<BindInline> BindInline => _bindInline;
    /// <summary>What every answer to Bind 2 carries (XEP-0386 section 4.4).</summary>
    public IReadOnlyList<Func<Node, Session, ValueTask<Element?>>> BoundExtras => _boundExtras;
    /// <summary>The hooks of a stage, in order.</summary>
    public IReadOnlyList<StageHandler> Hooks(Stage stage) => _stages[(int)stage];
    /// <summary>How many slots a session has.</summary>
    public int SessionSlots => _sessionSlots;
    /// <summary>How many slots an account has.</summary>
    public int AccountSlots => _accountSlots;

    /// <summary>Features shown by the server's disco#info.</summary>
    public ModuleBuilder Disco(params ReadOnlySpan<string> features)
    {
        foreach (var feature in features) if (!_serverFeatures.Contains(feature)) _serverFeatures.Add(feature);
        return this;
    }

    /// <summary>Features shown by an account's disco#info.</summary>
    public ModuleBuilder DiscoAccount(params ReadOnlySpan<string> features)
    {
        foreach (var feature in features) if (!_accountFeatures.Contains(feature)) _accountFeatures.Add(feature);
        return this;
    }

    /// <summary>An extended form in the server's disco#info (XEP-0128).</summary>
    public ModuleBuilder DiscoForm(Func<Node, Element> form) { _serverForms.Add(form); return this; }

    /// <summary>Handles iq requests of one type whose payload has this name and namespace.</summary>
    /// <exception cref="InvalidOperationException">Another module handles it already.</exception>
    public ModuleBuilder OnIq(Target target, IqType type, string name, string ns, IqHandler handler)
    {
        if (!_iq.TryAdd((target, type, name, ns), handler))
            throw new InvalidOperationException($"Two modules handle iq {type} {{{ns}}}{name} for {target}");
        return this;
    }

    /// <summary>Runs at a stage, after the hooks of the modules listed earlier.</summary>
    public ModuleBuilder On(Stage stage, StageHandler handler) { _stages[(int)stage].Add(handler); return this; }

    /// <summary>Offers a stream feature between authentication and binding.</summary>
    public ModuleBuilder StreamFeature(Func<Node, Element?> feature) { _streamFeatures.Add(feature); return this; }

    /// <summary>Offers a feature inside Bind 2.</summary>
    public ModuleBuilder OnBind(BindInline inline) { _bindInline.Add(inline); return this; }

    /// <summary>Adds to every answer to Bind 2 (null: nothing).</summary>
    public ModuleBuilder OnBound(Func<Node, Session, ValueTask<Element?>> extra) { _boundExtras.Add(extra); return this; }

    /// <summary>Commands of the server (XEP-0050), by node.</summary>
    public IReadOnlyDictionary<string, AdHocCommand> Commands => _commands;
    /// <summary>Nodes of the server that disco (XEP-0030) knows.</summary>
    public IReadOnlyDictionary<string, DiscoNode> DiscoNodes => _discoNodes;

    /// <summary>Offers a command (XEP-0050), and its disco node.</summary>
    public ModuleBuilder Command(AdHocCommand command)
    {
        _commands.Add(command.Node, command);
        return DiscoNode(command.Node, AdHoc.DiscoOf(command));
    }

    /// <summary>Answers disco#info and disco#items for a node of the server.</summary>
    public ModuleBuilder DiscoNode(string node, DiscoNode answers) { _discoNodes.Add(node, answers); return this; }

    /// <summary>Registers a further specification (one that needs no code of its own file).</summary>
    public ModuleBuilder Also(Spec spec) { _specs.Add(spec); return this; }

    /// <summary>A place for state on each session.</summary>
    public Slot<T> SessionSlot<T>() where T : class => new(_sessionSlots++);

    /// <summary>A place for state on each account; lost when the account is deactivated, so it caches what the database has.</summary>
    public Slot<T> AccountSlot<T>() where T : class => new(_accountSlots++);

    /// <summary>The handler of an iq request, or null.</summary>
    public IqHandler? FindIq(Target target, IqType type, Element payload) =>
        _iq.GetValueOrDefault((target, type, payload.Name, payload.Namespace));

    /// <summary>True when a request with this payload namespace is handled for the target whatever its type or name (to tell bad-request from service-unavailable).</summary>
    public bool KnowsIqNamespace(Target target, string ns) => _iq.Keys.Any(k => k.Item1 == target && k.Item4 == ns);
}

/// <summary>A feature that a client may switch on inside Bind 2 (XEP-0386 section 3).</summary>
/// <param name="Feature">The <c>var</c> of the feature in <c>inline</c>.</param>
/// <param name="Apply">Called with the child of <c>bind</c> that has this namespace; returns what <c>bound</c> carries, or null.</param>
internal sealed record BindInline(string Feature, Func<Session, Element, ValueTask<Element?>> Apply);
