using System.Text;
using Indaba.Xmpp;
using Indaba.Xmpp.Xml;

namespace Indaba.Server.Tests.Wire;

/// <summary>A wait that ended without what was waited for; the text shows what came instead.</summary>
internal sealed class WireException(string message) : Exception(message);

/// <summary>
/// A client for tests. It reads only when asked to, so what it has counted and acknowledged is exactly what the test
/// has looked at: nothing here runs in the background. One task may read while another sends.
/// </summary>
internal sealed class WireClient : IAsyncDisposable
{
    private const int TranscriptLines = 60;
    private readonly List<Element> _inbox = [];
    private readonly Queue<string> _transcript = new();
    private readonly SemaphoreSlim _sending = new(1, 1);
    private int _ids;

    private WireClient(WireTarget server, Link link)
    {
        Server = server;
        Link = link;
    }

    /// <summary>How long any wait may last. Generous, because a test machine may be busy; a passing test never waits it out. XMPP_TEST_LIMIT sets another, in seconds.</summary>
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(int.TryParse(Environment.GetEnvironmentVariable("XMPP_TEST_LIMIT"), out var seconds) ? seconds : 20);

    /// <summary>The server it talks to.</summary>
    public WireTarget Server { get; }
    /// <summary>The connection.</summary>
    public Link Link { get; }
    /// <summary>The name shown in failures.</summary>
    public string Name { get; set; } = "client";
    /// <summary>The server's last stream header.</summary>
    public Element? Header { get; private set; }
    /// <summary>The last stream features.</summary>
    public Element Features { get; private set; } = new("features", Ns.Stream);
    /// <summary>The full JID after binding.</summary>
    public string Jid { get; set; } = "";
    /// <summary>The bare JID after binding.</summary>
    public string BareJid => Jid.Split('/')[0];
    /// <summary>Stream management, once it has been asked for (XEP-0198).</summary>
    public SmState? Sm { get; set; }
    /// <summary>Answers the server's requests for a sign of life as every client does: <c>&lt;r/&gt;</c> with what has been read so far, and its pings (XEP-0199), which are then not shown.</summary>
    public bool AnswersRequests { get; set; } = true;
    /// <summary>True once the server has ended its stream or the connection.</summary>
    public bool Ended { get; private set; }
    /// <summary>False once this side has closed or cut the connection.</summary>
    public bool IsOpen => Link.IsOpen;
    /// <summary>What was read and nobody has asked for yet.</summary>
    public IReadOnlyList<Element> Inbox => _inbox;

    /// <summary>Connects, opens a stream and reads its features; over <see cref="Transport.StartTls"/> upgrades first.</summary>
    public static async Task<WireClient> Connect(WireTarget server, Transport transport = Transport.Plain, string? domain = null)
    {
        var client = await Dial(server, transport);
        try
        {
            await client.Open(domain);
            if (transport == Transport.StartTls) await client.StartTls(domain);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>Connects and sends nothing.</summary>
    public static async Task<WireClient> Dial(WireTarget server, Transport transport = Transport.Plain)
    {
        using var limit = new CancellationTokenSource(Limit);
        Link link = transport switch
        {
            Transport.WebSocket => await WebSocketLink.Connect(server, limit.Token),
            Transport.DirectTls => await TcpLink.Connect(server, server.TlsPort, server.Domain, limit.Token),
            _ => await TcpLink.Connect(server, server.C2sPort, null, limit.Token),
        };
        return new WireClient(server, link);
    }

    /// <summary>Connects, authenticates and binds.</summary>
    public static async Task<WireClient> Login(WireTarget server, string account, string? resource = null, Transport transport = Transport.Plain, string password = TestServer.Password, string? mechanism = null)
    {
        var client = await Connect(server, transport);
        try
        {
            client.Name = resource is null ? account : $"{account}/{resource}";
            await client.Authenticate(account, password, mechanism);
            await client.Bind(resource);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends a stream header, reads the answer and the features.</summary>
    public async Task Open(string? domain = null)
    {
        using var limit = new CancellationTokenSource(Limit);
        await Link.SendHeader(domain ?? Server.Domain, limit.Token);
        Note(">>", "stream header");
        await ReadFeatures();
    }

    /// <summary>Waits for stream features.</summary>
    public async Task ReadFeatures() => Features = await Expect(e => e.Is("features", Ns.Stream), "stream features");

    /// <summary>RFC 6120 section 5.4: asks, waits for proceed, handshakes, opens a new stream.</summary>
    public async Task StartTls(string? domain = null)
    {
        await Send($"<starttls xmlns='{Ns.Tls}'/>");
        await Expect(e => e.Is("proceed", Ns.Tls), "proceed");
        using var limit = new CancellationTokenSource(Limit);
        await ((TcpLink)Link).StartTls(domain ?? Server.Domain, limit.Token);
        await Open(domain);
    }

    /// <summary>RFC 6120 section 7: binds a resource, or one of the server's choice.</summary>
    public async Task Bind(string? resource)
    {
        var bind = new Element("bind", Ns.Bind);
        if (resource is not null) bind.Add("resource", Ns.Bind, resource);
        var result = await Request(new Element("iq", Ns.Client).With("type", "set").Add(bind));
        Jid = result.Child("bind", Ns.Bind)?.ChildText("jid", Ns.Bind) ?? throw new WireException($"no address bound: {result}");
    }

    /// <summary>Sends elements as they stand in the text; those that are stanzas are counted.</summary>
    public async Task Send(string xml)
    {
        if (Sm is null && Link is TcpLink)
        {
            await SendRaw(Encoding.UTF8.GetBytes(xml));
            return;
        }
        foreach (var element in XmlText.ParseAll(xml)) await Send(element);
    }

    /// <summary>Sends an element.</summary>
    public Task Send(Element element) => SendCounted(Link is TcpLink ? XmppWriter.ToBytes(element, Ns.Client) : XmppWriter.ToBytes(element, ""), XmlText.IsStanza(element));

    /// <summary>Sends bytes as they are, counting nothing.</summary>
    public Task SendRaw(ReadOnlyMemory<byte> bytes) => SendCounted(bytes, isStanza: false);

    /// <summary>Sends several elements in one write, as far as the framing allows it.</summary>
    public async Task SendTogether(params IReadOnlyList<Element> elements)
    {
        if (Link is WebSocketLink)
        {
            foreach (var e in elements) await Send(e);
            return;
        }
        var all = new MemoryStream();
        foreach (var e in elements)
        {
            var bytes = XmppWriter.ToBytes(e, Ns.Client);
            if (Sm is not null && XmlText.IsStanza(e)) Sm.OnSent(bytes);
            all.Write(bytes);
        }
        await SendRaw(all.ToArray());
    }

    /// <summary>
    /// Reads one element of the stream: a stanza or anything else but the header. Null once the stream has ended.
    /// Counts stanzas, notes acks and answers requests for them.
    /// </summary>
    public async ValueTask<Element?> Read(CancellationToken cancel)
    {
        while (!Ended)
        {
            var (token, element) = await Link.Read(cancel);
            if (token == XmppToken.StreamOpen)
            {
                Header = element;
                Note("<<", "stream header");
                continue;
            }
            if (token != XmppToken.Element)
            {
                Ended = true;
                Note("<<", token == XmppToken.StreamClose ? "end of stream" : "end of connection");
                return null;
            }
            Note("<<", element!.ToString());
            if (element.Is("success", Ns.Sasl2) && element.Child("bound", Ns.Bind2) is not null) Jid = element.ChildText("authorization-identifier", Ns.Sasl2) ?? "";
            if (Sm is not null) await CountIn(element);
            if (IsServersPing(element))
            {
                if (AnswersRequests) await Try(() => Send(new Element("iq", Ns.Client).With("type", "result").With("id", element["id"]).With("to", element["from"])));
                continue;
            }
            return element;
        }
        return null;
    }

    /// <summary>The next element that is not a request or answer of XEP-0198.</summary>
    public Task<Element> Next(string what = "an element") => Expect(e => e.Namespace != Ns.StreamManagement || e.Name is not ("r" or "a"), what);

    /// <summary>The first element that matches, of those already read or still to come; the others stay for later.</summary>
    public async Task<Element> Expect(Func<Element, bool> match, string what)
    {
        return await ExpectOrEnd(match, what) ?? throw Failed($"the stream ended, but {what} was expected");
    }

    /// <summary>As <see cref="Expect"/>, but null when the stream ends first.</summary>
    public async Task<Element?> ExpectOrEnd(Func<Element, bool> match, string what)
    {
        for (var i = 0; i < _inbox.Count; i++)
        {
            if (!match(_inbox[i])) continue;
            var found = _inbox[i];
            _inbox.RemoveAt(i);
            return found;
        }
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            while (await Read(limit.Token) is { } element)
            {
                if (match(element)) return element;
                _inbox.Add(element);
            }
            return null;
        }
        catch (OperationCanceledException)
        {
            throw Failed($"{what} did not come within {Limit.TotalSeconds:0} s");
        }
    }

    /// <summary>Reads to the end of the stream; what comes before it goes to the inbox.</summary>
    public async Task ExpectEnd()
    {
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            while (await Read(limit.Token) is { } element) _inbox.Add(element);
        }
        catch (OperationCanceledException)
        {
            throw Failed($"the stream was not ended within {Limit.TotalSeconds:0} s");
        }
    }

    /// <summary>Waits for a stream error and the end of the stream; returns the name of the condition (RFC 6120 section 4.9).</summary>
    public async Task<string> ExpectStreamError()
    {
        var error = await Expect(e => e.Is("error", Ns.Stream), "a stream error");
        await ExpectEnd();
        return error.Elements.First(e => e.Namespace == Ns.StreamErrors && e.Name != "text").Name;
    }

    /// <summary>Sends an iq and waits for its answer, result or error. Gives it an id if it has none.</summary>
    public async Task<Element> Request(Element iq)
    {
        iq["id"] ??= NewId();
        await Send(iq);
        return await Expect(e => e.Is("iq", Ns.Client) && e["id"] == iq["id"] && e["type"] is "result" or "error", $"the answer to {iq}");
    }

    /// <summary>As <see cref="Request(Element)"/>.</summary>
    public Task<Element> Request(string iq) => Request(XmlText.Parse(iq));

    /// <summary>
    /// Asks the server for a sign of life (XEP-0199) and reads until it comes: what was sent before has then been
    /// processed, and what was on its way has arrived (RFC 6120 section 10.1).
    /// </summary>
    public Task Barrier() => Request(new Element("iq", Ns.Client).With("type", "get").With("to", Server.Domain).Add("ping", Ns.Ping));

    /// <summary>Holds that nothing is waiting and nothing comes before the answer of a <see cref="Barrier"/>.</summary>
    public async Task ExpectNothing()
    {
        await Barrier();
        _inbox.RemoveAll(e => e.Namespace == Ns.StreamManagement && e.Name is "r" or "a");
        if (_inbox.Count > 0) throw Failed($"nothing was expected, but this came: {_inbox[0]}");
    }

    /// <summary>Forgets what was read and not asked for.</summary>
    public void ClearInbox() => _inbox.Clear();

    /// <summary>Sends available presence and waits for its return (RFC 6121 section 4.2.2).</summary>
    public async Task Appear(int? priority = null)
    {
        var presence = new Element("presence", Ns.Client);
        if (priority is not null) presence.Add("priority", Ns.Client, priority.Value.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await Send(presence);
        await Expect(e => e.Is("presence", Ns.Client) && e["from"] == Jid && e["type"] is null, "the own presence");
    }

    /// <summary>A new id, unique within this client.</summary>
    public string NewId() => $"w{Interlocked.Increment(ref _ids)}";

    /// <summary>Ends the stream in order and reads until the server has ended its own.</summary>
    public async Task Close()
    {
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            if (Sm is not null && !Ended) await SendRaw(Link.Encode(Sm.Answer()));
            await Link.SendEnd(limit.Token);
            await ExpectEnd();
        }
        catch (IOException)
        {
            // already gone
        }
        await DisposeAsync();
    }

    /// <summary>Breaks the connection by a TCP reset.</summary>
    public void Cut() => Link.Cut();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Link.DisposeAsync();

    /// <summary>An exception with what was said last.</summary>
    public WireException Failed(string why)
    {
        string[] lines;
        lock (_transcript) lines = [.. _transcript];
        return new WireException($"{Name}: {why}\n{string.Join('\n', lines)}");
    }

    private async Task SendCounted(ReadOnlyMemory<byte> bytes, bool isStanza)
    {
        using var limit = new CancellationTokenSource(Limit);
        await _sending.WaitAsync(limit.Token);
        try
        {
            if (isStanza) Sm?.OnSent(bytes);
            Note(">>", Encoding.UTF8.GetString(bytes.Span));
            await Link.Send(bytes, limit.Token);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task CountIn(Element element)
    {
        if (XmlText.IsStanza(element))
        {
            Sm!.OnReceived();
        }
        else if (element.Is("enabled", Ns.StreamManagement))
        {
            Sm!.OnEnabled();
        }
        else if (element.Is("a", Ns.StreamManagement))
        {
            Sm!.OnAck(element["h"]);
        }
        else if (element.Is("r", Ns.StreamManagement) && AnswersRequests)
        {
            await Try(() => SendRaw(Link.Encode(Sm!.Answer())));
        }
    }

    private bool IsServersPing(Element e) => e.Is("iq", Ns.Client) && e["type"] == "get" && e["from"] == Server.Domain && e.Child("ping", Ns.Ping) is not null;

    private static async Task Try(Func<Task> send)
    {
        try
        {
            await send();
        }
        catch (IOException)
        {
            // the connection broke meanwhile; the next read will say so
        }
    }

    private void Note(string direction, string text)
    {
        lock (_transcript)
        {
            if (_transcript.Count == TranscriptLines) _transcript.Dequeue();
            _transcript.Enqueue($"  {direction} {(text.Length > 2000 ? text[..2000] + "…" : text)}");
        }
    }
}
