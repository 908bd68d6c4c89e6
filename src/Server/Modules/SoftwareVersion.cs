using System.Reflection;
using Indaba.Xmpp;
using Indaba.Xmpp.Stanzas;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Modules;

/// <summary>XEP-0092 Software Version of the server. The operating system is not told (section 5).</summary>
internal sealed class SoftwareVersion : Module
{
    /// <summary>The version of this build, without the revision that it was built from.</summary>
    public static string Current { get; } =
        typeof(SoftwareVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <inheritdoc/>
    public override IReadOnlyList<Spec> Specs => [new("XEP-0092", "1.1", "Software Version")];

    /// <inheritdoc/>
    public override void Register(ModuleBuilder m) => m
        .Disco(Ns.Version)
        .OnIq(Target.Server, IqType.Get, "query", Ns.Version, static _ => ValueTask.FromResult<Element?>(
            new Element("query", Ns.Version).Add("name", Ns.Version, "Indaba").Add("version", Ns.Version, Current)));
}
