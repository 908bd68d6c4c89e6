using Indaba.Server.Gateway;
using Indaba.Server.Storage;
using Indaba.Xmpp;
using Indaba.Xmpp.Sasl;

namespace Indaba.Server.Streams;

/// <summary>What can be chosen to log in on a connection.</summary>
internal sealed record SaslOffer(IReadOnlyList<string> Mechanisms, IReadOnlyList<string> FastMechanisms, IReadOnlyList<string> BindingTypes)
{
    private static readonly ScramHash[] Hashes = [ScramHash.Sha512, ScramHash.Sha256, ScramHash.Sha1];

    /// <summary>
    /// The mechanisms of a connection, strongest first. Without TLS only this machine may log in, and never by PLAIN:
    /// there is no network to listen on, and a reverse proxy that ends TLS stands there.
    /// </summary>
    public static SaslOffer For(IXmlChannel channel, ChannelBindings bindings)
    {
        var mechanisms = new List<string>();
        if (!channel.IsSecure && !IsThisMachine(channel)) return new SaslOffer(mechanisms, [], []);
        if (!bindings.IsEmpty) mechanisms.AddRange(Hashes.Select(h => h.Mechanism(plus: true)));
        mechanisms.AddRange(Hashes.Select(h => h.Mechanism()));
        if (channel.IsSecure) mechanisms.Add("PLAIN");
        return new SaslOffer(mechanisms, [.. HashedTokenMechanism.Offered(bindings).Select(m => m.Name)], [.. bindings.Types]);
    }

    private static bool IsThisMachine(IXmlChannel channel) => channel.Remote is System.Net.IPEndPoint { Address: var address } && System.Net.IPAddress.IsLoopback(address);
}

/// <summary>The end or the next step of a SASL exchange.</summary>
/// <param name="Challenge">What the client must answer; null at the end.</param>
/// <param name="Account">Who has been authenticated, at the end.</param>
/// <param name="Data">The additional data of the success, or null.</param>
/// <param name="Token">The FAST token that was used, or null.</param>
internal sealed record SaslStep(byte[]? Challenge, AccountRow? Account = null, byte[]? Data = null, FastToken? Token = null);

/// <summary>One SASL exchange by one mechanism. Unknown users fail as known ones with a wrong password do, in the same time and with the same salt each time.</summary>
internal sealed class SaslExchange(Node node, string mechanism, SaslOffer offer, ChannelBindings bindings, UserAgent? agent, bool sasl2)
{
    private ScramServer? _scram;
    private AccountRow? _account;

    /// <summary>The mechanism in use: one of those offered.</summary>
    public string Mechanism => mechanism;

    /// <summary>The name that the client gave, for the log; empty while unknown.</summary>
    public string Name { get; private set; } = "";

    /// <summary>Takes a message of the client.</summary>
    /// <exception cref="SaslException">The login is refused.</exception>
    public async Task<SaslStep> TakeAsync(byte[] message)
    {
        if (_scram is not null) return FinishScram(message);
        if (mechanism == "PLAIN") return await PlainAsync(message).ConfigureAwait(false);
        if (HashedTokenMechanism.TryParse(mechanism, out var token)) return await TokenAsync(token, message).ConfigureAwait(false);
        if (ScramHashes.TryMechanism(mechanism, out var hash, out var plus)) return await StartScramAsync(hash, plus, message).ConfigureAwait(false);
        throw new SaslException(SaslCondition.InvalidMechanism);
    }

    private async Task<SaslStep> StartScramAsync(ScramHash hash, bool plus, byte[] message)
    {
        _scram = new ScramServer(hash, plus, message, bindings, plusOffered: !bindings.IsEmpty);
        var keys = await KeysAsync(hash, _scram.Username).ConfigureAwait(false);
        CheckAuthorization(_scram.AuthorizationId, _scram.Username);
        var downgrade = DowngradeProtection.Hash(hash, offer.Mechanisms, offer.BindingTypes.Count > 0 ? offer.BindingTypes : null);
        return new SaslStep(_scram.Challenge(keys, downgrade));
    }

    private SaslStep FinishScram(byte[] message)
    {
        var data = _scram!.Finish(message);
        return new SaslStep(null, Allowed(_account), data);
    }

    private async Task<SaslStep> PlainAsync(byte[] message)
    {
        var plain = Plain.Parse(message);
        CheckAuthorization(plain.AuthorizationId, plain.Username);
        var keys = await KeysAsync(ScramHash.Sha256, plain.Username).ConfigureAwait(false);
        // PBKDF2 takes milliseconds: it must not hold up a thread that serves other connections' input.
        var right = await Task.Run(() => keys.Verify(plain.Password)).ConfigureAwait(false);
        if (!right) throw new SaslException(SaslCondition.NotAuthorized);
        return new SaslStep(null, Allowed(_account));
    }

    /// <summary>XEP-0484: the token must belong to this installation and this mechanism.</summary>
    private async Task<SaslStep> TokenAsync(HashedTokenMechanism token, byte[] message)
    {
        if (!sasl2 || agent?.Id is null) throw new SaslException(SaslCondition.InvalidMechanism);
        var exchange = new HashedToken(token, message, bindings);
        var account = await FindAsync(exchange.Username).ConfigureAwait(false);
        var tokens = account is null ? [] : await node.Tokens.LoadAsync(account.Id, agent.Id).ConfigureAwait(false);
        foreach (var candidate in tokens)
        {
            if (candidate.Mechanism == mechanism && exchange.TryVerify(candidate.Secret, out var response)) return new SaslStep(null, Allowed(account), response, candidate);
        }
        exchange.TryVerify(Ids.Token(), out _);
        throw new SaslException(SaslCondition.NotAuthorized);
    }

    private async Task<ScramKeys> KeysAsync(ScramHash hash, string username)
    {
        _account = await FindAsync(username).ConfigureAwait(false);
        var credentials = await node.AccountRows.CredentialsAsync(_account?.Id ?? 0).ConfigureAwait(false);
        var credential = credentials.FirstOrDefault(c => c.Hash == hash.Mechanism());
        if (credential is null) _account = null;
        return credential is null
            ? ScramKeys.Fake(hash, Name, node.LoginSecret, node.Options.Scram.Iterations)
            : new ScramKeys(hash, credential.Salt, credential.Iterations, credential.StoredKey, credential.ServerKey);
    }

    private async Task<AccountRow?> FindAsync(string username)
    {
        // SASL names the localpart (RFC 6120 section 6.3.8); some clients give the bare JID.
        if (!Jid.TryCreate(username, node.Options.Domain, null, out var jid) && !(Jid.TryParse(username, out jid) && jid.IsBare && jid.Domain == node.Options.Domain)) return null;
        Name = jid.Local ?? "";
        return jid.Local is null ? null : await node.AccountRows.FindAsync(jid.Local, jid.Domain).ConfigureAwait(false);
    }

    /// <summary>Nobody acts for another (S9): an authorization identity must be the user's own bare JID (RFC 6120 section 6.3.8).</summary>
    private void CheckAuthorization(string? authorization, string username)
    {
        if (string.IsNullOrEmpty(authorization)) return;
        if (!Jid.TryParse(authorization, out var jid) || !jid.IsBare || jid.Domain != node.Options.Domain || !Jid.TryCreate(username, node.Options.Domain, null, out var own) || own != jid)
            throw new SaslException(SaslCondition.InvalidAuthzid);
    }

    private static AccountRow Allowed(AccountRow? account) => account switch
    {
        null => throw new SaslException(SaslCondition.NotAuthorized),
        { Disabled: true } => throw new SaslException(SaslCondition.AccountDisabled),
        _ => account,
    };
}
