using Indaba.Server;
using Indaba.Server.Options;

var loaded = new SettingsSource([], null, null);
var settings = new Settings(loaded, loaded.Load());
await using var host = await ServerHost.StartAsync(settings, TimeProvider.System, default);
Console.WriteLine("ready");
await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None);
