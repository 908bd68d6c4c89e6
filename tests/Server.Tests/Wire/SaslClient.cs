using System.Text;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Wire;

/// <summary>Authentication on a <see cref="WireClient"/>: SASL (RFC 6120 section 6) and SASL2 (XEP-0388).</summary>
internal static class SaslClient
{
    /// <summary>Authenticates and opens the next stream.</summary>
    /// <exception cref="WireException">The server refused.</exception>
    public static async Task Authenticate(this WireClient client, string account, string password, string? mechanism = null)
    {
        var outcome = await client.TryAuthenticate(account, password, mechanism);
        if (outcome.Name != "success") throw client.Failed($"authentication was refused: {outcome}");
        client.Link.Restart();
        await client.Open();
    }

    /// <summary>Authenticates as far as <c>&lt;success/&gt;</c> or <c>&lt;failure/&gt;</c>, which it returns.</summary>
    public static async Task<Element> TryAuthenticate(this WireClient client, string account, string password, string? mechanism = null)
    {
        mechanism ??= "PLAIN";
        await client.Send($"<auth xmlns='{Ns.Sasl}' mechanism='{mechanism}'>{Plain(account, password)}</auth>");
        return await client.Expect(e => e.Namespace == Ns.Sasl, "the outcome of authentication");
    }

    /// <summary>The initial response of PLAIN (RFC 4616), in base 64.</summary>
    public static string Plain(string account, string password, string authzid = "") => Convert.ToBase64String(Encoding.UTF8.GetBytes($"{authzid}\0{account}\0{password}"));
}
