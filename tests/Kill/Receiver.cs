using System.Security.Cryptography;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Kill;

/// <summary>
/// Shows what it gets, once for each stanza-id, and acknowledges what it has recorded and nothing more. May ask the
/// archive for what it missed, and may come and go.
/// </summary>
internal sealed class Receiver(WireTarget server, Ledger ledger, Screen screen, Habits habits, Refusals refusals) : Device(server, ledger.Receiver, habits, refusals)
{
    private volatile bool _stays;

    /// <summary>Stays online from now on.</summary>
    public void Stay() => _stays = true;

    /// <summary>
    /// Counts what comes again although the device has it. The first login takes what may rightly come again (who read the
    /// archive never acknowledged those messages), acknowledges it and logs out; after that nothing may come. A last
    /// message says when all that waits has come: order is kept.
    /// </summary>
    public async Task CountRepeated()
    {
        await using var sender = await WireClient.Login(Server, ledger.Sender, "checker", Habits.Transport);
        for (var login = 1; login <= 2; login++)
        {
            await using var client = await LogInAnew();
            await client.Send(new Element("presence", Ns.Client));
            var last = $"last{login}{Habits.Name}";
            await sender.Send(new Element("message", Ns.Client).With("to", $"{ledger.Receiver}@{Server.Domain}").With("type", "chat").With("id", last).Add("body", Ns.Client, last));
            await client.Expect(e => e["id"] == last, "the last message");
            screen.Repeated = client.Inbox.Count(e => ledger.Read(e, ledger.Receiver) is not null);
            await client.Close();
        }
    }

    /// <summary>Asks the archive for what it missed, a last time; for servers that push to a device only what comes while it is online.</summary>
    public async Task CatchUp()
    {
        await using var client = await LogInAnew();
        foreach (var seen in await Archive.Read(client, ledger, screen.LastStanzaId)) ledger.Receive(screen, seen);
        await client.Close();
    }

    protected override async Task OnBound(WireClient client, CancellationToken stop)
    {
        if (!Habits.ReadsArchive) return;
        foreach (var seen in await Archive.Read(client, ledger, screen.LastStanzaId)) ledger.Receive(screen, seen);
    }

    protected override void OnResumed(WireClient client)
    {
        // what was missed comes by itself
    }

    protected override void OnLost(WireClient earlier)
    {
        // what was shown stays shown
    }

    protected override async Task<bool> Live(WireClient client, bool isNew, CancellationToken stop)
    {
        using var away = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var leaves = Habits.ComesAndGoes && !_stays;
        if (leaves) away.CancelAfter(RandomNumberGenerator.GetInt32(100, 1_500));
        if (isNew) await client.Send(new Element("presence", Ns.Client));
        try
        {
            while (await Read(client, away.Token) is { } element)
            {
                if (element.Is("enabled", Ns.StreamManagement)) client.Sm!.Id = element["id"];
                else if (ledger.Read(element, ledger.Receiver) is { } seen) ledger.Receive(screen, seen);
            }
            return false;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await LogOut(client);
            return false;
        }
        catch (OperationCanceledException) when (leaves)
        {
            return await Leave(client, stop);
        }
    }

    /// <summary>Goes away for a while: half the times in order, half the times by a broken connection.</summary>
    private async Task<bool> Leave(WireClient client, CancellationToken stop)
    {
        var inOrder = RandomNumberGenerator.GetInt32(2) == 0;
        if (inOrder) await LogOut(client);
        else client.Cut();
        await Task.Delay(RandomNumberGenerator.GetInt32(50, 2_000), stop);
        return inOrder;
    }

    private async Task LogOut(WireClient client)
    {
        await client.SendRaw(client.Link.Encode(client.Sm!.Answer()));
        using var limit = new CancellationTokenSource(WireClient.Limit);
        await client.Link.SendEnd(limit.Token);
        // What comes before the end of the stream is recorded like everything else, though not acknowledged any more.
        while (await Read(client, limit.Token) is { } element)
        {
            if (ledger.Read(element, ledger.Receiver) is { } seen) ledger.Receive(screen, seen);
        }
    }
}
