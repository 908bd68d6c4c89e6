using Indaba.Server;
using Indaba.Server.Options;
using Indaba.Server.Storage;
using Indaba.Xmpp.Sasl;

var source = new SettingsSource([], null, null);
var settings = new Settings(source, source.Load());
await using var host = await ServerHost.StartAsync(settings, TimeProvider.System, default);
foreach (var name in args)
{
    var keys = new[] { ScramHash.Sha1, ScramHash.Sha256, ScramHash.Sha512 }.Select(h => ScramKeys.Derive(h, "secret-" + name, new byte[16], 4096)).Select(k => new Credential(k.Hash.Mechanism(), k.Salt, k.Iterations, k.StoredKey, k.ServerKey)).ToList();
    await host.Node.AccountRows.CreateAsync(name, settings.Current.Domain, Role.User, keys);
}
Console.WriteLine("ready " + string.Join(' ', host.Addresses));
await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None);
