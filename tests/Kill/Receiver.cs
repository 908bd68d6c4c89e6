using System.Security.Cryptography;
using Indaba.Server.Tests.Wire;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Kill;

/// <summary>
/// Shows what it gets, once for each stanza-id, and acknowledges what it has recorded and nothing more. May ask the
/// archive for what it missed, and may come and go.
/// </summary>
internal sealed class Receiver(TestServer server, Ledger ledger, bool resumes, bool readsArchive, bool comesAndGoes) : Device(server, ledger.Receiver, resumes)
{
    private volatile bool _stays;

    /// <summary>Stays online from now on.</summary>
    public void Stay() => _stays = true;

    protected override async Task OnBound(WireClient client, CancellationToken stop)
    {
        if (!readsArchive) return;
        foreach (var seen in await Archive.Read(client, ledger, ledger.LastStanzaId)) ledger.Receive(seen);
    }

    protected override void OnResumed(WireClient client)
    {
        // what was missed comes by itself
    }

    protected override void OnLost(WireClient earlier)
    {
        // what was shown stays shown
    }

    protected override async Task<bool> Live(WireClient client, CancellationToken stop)
    {
        using var away = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var leaves = comesAndGoes && !_stays;
        if (leaves) away.CancelAfter(RandomNumberGenerator.GetInt32(100, 1_500));
        if (client.Sm!.Id is null) await client.Send(new Element("presence", Ns.Client));
        try
        {
            while (await client.Read(away.Token) is { } element)
            {
                if (element.Is("enabled", Ns.StreamManagement)) client.Sm.Id = element["id"];
                else if (ledger.Read(element, ledger.Receiver) is { } seen) ledger.Receive(seen);
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
        while (await client.Read(limit.Token) is { } element)
        {
            if (ledger.Read(element, ledger.Receiver) is { } seen) ledger.Receive(seen);
        }
    }
}
