using System.Threading.Channels;
using Indaba.Server.Gateway;
using Indaba.Server.Streams;
using Indaba.Xmpp;
using Indaba.Xmpp.Streams;
using Indaba.Xmpp.Xml;
using Orleans.Runtime;

namespace Indaba.Server.Cluster;

/// <summary>
/// The gateway's end of a relayed stream: what the client sends goes to the node that holds its session, and what comes
/// from there is written to the client. Both ways are bounded by credit: a client that does not read holds up its own
/// session and nothing else.
/// </summary>
internal sealed class GatewayRelay : IStreamRelay
{
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(2);
    private readonly NodeLink _link;
    private readonly IXmlChannel _channel;
    private readonly Relays _relays;
    private readonly Node _node;
    private readonly Channel<(LinkKind Kind, ReadOnlyMemory<byte> Payload)> _fromOwner = Channel.CreateUnbounded<(LinkKind, ReadOnlyMemory<byte>)>(new() { SingleReader = true }); // bounded by the credit
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Credit _credit = new(Relays.Window);
    private readonly Task _writing;
    private int _over;

    public GatewayRelay(long id, NodeLink link, IXmlChannel channel, Relays relays, Node node)
    {
        (Id, _link, _channel, _relays, _node) = (id, link, channel, relays, node);
        _writing = WriteAsync();
    }

    public long Id { get; }
    public SiloAddress Owner => _link.Remote;

    /// <inheritdoc/>
    public async ValueTask SendAsync(Element element)
    {
        var bytes = XmppWriter.ToBytes(element, Ns.Client);
        await _credit.TakeAsync(bytes.Length).ConfigureAwait(false);
        _link.Post(Relays.Item(LinkKind.RelayData, toGateway: false, Id, w => w.Raw(bytes)));
    }

    /// <inheritdoc/>
    public async Task EndAsync(bool cleanly, StreamException? fault)
    {
        if (Volatile.Read(ref _over) == 0)
        {
            _link.Post(Relays.Item(LinkKind.RelayEnd, toGateway: false, Id, w =>
            {
                w.Number((ulong)(fault is not null ? RelayEnd.Fault : cleanly ? RelayEnd.Closed : RelayEnd.Lost));
                if (fault is null) return;
                w.Text(Kebab.Of(fault.Condition));
                w.Optional(fault.ErrorText);
            }));
        }
        // The owner has the last word (errors, the end of the stream); a connection that is gone waits for nothing.
        if (cleanly || fault is not null) await _ended.Task.WaitAsync(CloseLimit, _node.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Finish();
        await _writing.WaitAsync(CloseLimit, _node.Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>This node wants the client to come in elsewhere: its session waits for it at the owner.</summary>
    public async Task SendAwayAsync(StreamClosing closing)
    {
        await EndAsync(cleanly: false, null).ConfigureAwait(false);
        try
        {
            closing.WriteTo(_channel);
            await _channel.FlushAsync(CancellationToken.None).AsTask().WaitAsync(CloseLimit, _node.Time).ConfigureAwait(false);
        }
        catch (Exception) { /* the connection is going anyway */ }
        _channel.Close();
    }

    /// <summary>Something has come from the owner. Never blocks.</summary>
    public void Take(LinkKind kind, ReadOnlyMemory<byte> payload)
    {
        if (kind == LinkKind.RelayCredit) _credit.Give((int)new LinkReader(payload).Number());
        else _fromOwner.Writer.TryWrite((kind, payload));
    }

    /// <summary>The node with the session is dead: the client is told to come back at once.</summary>
    public void OwnerLost() => _fromOwner.Writer.TryWrite((LinkKind.RelayOpen, default)); // in its turn, after what came before

    private async Task WriteAsync()
    {
        try
        {
            await foreach (var (kind, payload) in _fromOwner.Reader.ReadAllAsync().ConfigureAwait(false))
            {
                if (kind == LinkKind.RelayData) await WriteAsync(payload).ConfigureAwait(false);
                else
                {
                    await CloseAsync(kind == LinkKind.RelayOpen, payload).ConfigureAwait(false);
                    return;
                }
            }
        }
        catch (Exception)
        {
            _channel.Abort(); // the reader sees the end
        }
        finally
        {
            Finish();
        }
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> payload)
    {
        Put(payload);
        var length = payload.Length;
        while (_fromOwner.Reader.TryPeek(out var next) && next.Kind == LinkKind.RelayData && length < Relays.Window / 2 && _fromOwner.Reader.TryRead(out next))
        {
            Put(next.Payload);
            length += next.Payload.Length;
        }
        await _channel.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        _link.Post(Relays.Item(LinkKind.RelayCredit, toGateway: false, Id, w => w.Number((ulong)length)));
    }

    private void Put(ReadOnlyMemory<byte> payload)
    {
        var reader = new LinkReader(payload);
        while (!reader.AtEnd) _channel.Write(reader.Bytes().Span);
    }

    private async Task CloseAsync(bool ownerLost, ReadOnlyMemory<byte> payload)
    {
        var abort = !ownerLost && new LinkReader(payload).Number() != 0;
        if (abort)
        {
            _channel.Abort();
            return;
        }
        if (ownerLost) new StreamClosing(StreamCondition.Reset, "the node that served you is gone; come back").WriteTo(_channel);
        else _channel.WriteClose();
        await _channel.FlushAsync(CancellationToken.None).AsTask().WaitAsync(CloseLimit, _node.Time).ConfigureAwait(false);
        _channel.Close();
    }

    private void Finish()
    {
        if (Interlocked.Exchange(ref _over, 1) != 0) return;
        _relays.Remove(this);
        _fromOwner.Writer.TryComplete();
        _credit.End();
        _ended.TrySetResult();
    }
}

/// <summary>How much of a window is left; those who want more than that wait, one at a time.</summary>
internal sealed class Credit(int window)
{
    private readonly Lock _lock = new();
    private long _left = window;
    private TaskCompletionSource? _waiting;
    private bool _ended;

    /// <summary>Takes so much when anything at all is left: one item may exceed what is left, the next one waits.</summary>
    public async ValueTask TakeAsync(int bytes)
    {
        while (true)
        {
            Task more;
            lock (_lock)
            {
                if (_left > 0 || _ended)
                {
                    _left -= bytes;
                    return;
                }
                more = (_waiting ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
            await more.ConfigureAwait(false);
        }
    }

    public void Give(int bytes)
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            _left += bytes;
            if (_left <= 0) return;
            (waiting, _waiting) = (_waiting, null);
        }
        waiting?.TrySetResult();
    }

    /// <summary>Nobody waits any more.</summary>
    public void End()
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            _ended = true;
            (waiting, _waiting) = (_waiting, null);
        }
        waiting?.TrySetResult();
    }
}
