using System.Text;

namespace Indaba.Xmpp.Sasl;

/// <summary>XEP-0474 SASL SCRAM Downgrade Protection 0.5.0: the hash of what the server offered, signed by the SCRAM exchange.</summary>
public static class DowngradeProtection
{
    /// <summary>The value of the attribute h of a server-first message.</summary>
    /// <param name="hash">The hash of the SCRAM mechanism in use.</param>
    /// <param name="mechanisms">The mechanisms offered by the SASL profile in use (SASL2 or SASL).</param>
    /// <param name="bindingTypes">The channel-binding types offered by XEP-0440; null when that was not offered.</param>
    public static string Hash(ScramHash hash, IEnumerable<string> mechanisms, IEnumerable<string>? bindingTypes)
    {
        var text = string.Join('\x1E', mechanisms.Order(StringComparer.Ordinal));
        if (bindingTypes is not null) text += '\x1F' + string.Join('\x1E', bindingTypes.Order(StringComparer.Ordinal));
        return Convert.ToBase64String(hash.Digest(Encoding.UTF8.GetBytes(text)));
    }
}
