using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Indaba.Server.Options;

namespace Indaba.Server.Admin;

/// <summary>A command could not be carried out; the message is a plain sentence.</summary>
internal sealed class AdminException(string message) : Exception(message);

/// <summary>Speaks to a running server over its control socket.</summary>
internal sealed class AdminClient : IDisposable
{
    // A bulk of accounts may take a while; a server that hangs must not hang its administrator.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly string _folder;
    private readonly HttpClient _http;

    public AdminClient(string dataDirectory)
    {
        _folder = dataDirectory;
        var handler = new SocketsHttpHandler { UseProxy = false, ConnectCallback = async (_, cancel) => await ConnectAsync(cancel).ConfigureAwait(false) };
        _http = new HttpClient(handler) { BaseAddress = new Uri("http://admin.invalid/admin/"), Timeout = Patience };
    }

    /// <summary>
    /// The data folder whose server is meant: the one that is named by option, environment or file, else <c>data</c>
    /// here; when nobody answers there and none was named, the folder of the system's service.
    /// </summary>
    public static string Find(LoadedSettings loaded)
    {
        var folder = loaded.Options.DataDirectory;
        const string Service = "/var/lib/indaba";
        return !loaded.Origins.ContainsKey("dataDirectory") && !StartCheck.IsRunning(folder) && File.Exists(StartCheck.AdminSocket(Service)) ? Service : folder;
    }

    public Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancel) => SendAsync(new HttpRequestMessage(HttpMethod.Get, path), type, cancel);

    public Task<T> SendAsync<TBody, T>(HttpMethod method, string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<T> type, CancellationToken cancel) =>
        SendAsync(new HttpRequestMessage(method, path) { Content = JsonContent.Create(body, bodyType) }, type, cancel);

    public Task<T> SendAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> type, CancellationToken cancel) => SendAsync(new HttpRequestMessage(method, path), type, cancel);

    /// <summary>For requests whose success has no content, and for plain text.</summary>
    public async Task<string> TextAsync(HttpMethod method, string path, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, path);
        using var response = await ExchangeAsync(request, cancel).ConfigureAwait(false);
        return await response.Content.ReadAsStringAsync(cancel).ConfigureAwait(false);
    }

    public void Dispose() => _http.Dispose();

    private async Task<T> SendAsync<T>(HttpRequestMessage request, JsonTypeInfo<T> type, CancellationToken cancel)
    {
        using (request)
        {
            using var response = await ExchangeAsync(request, cancel).ConfigureAwait(false);
            return await response.Content.ReadFromJsonAsync(type, cancel).ConfigureAwait(false) ?? throw new AdminException("the server gave no answer");
        }
    }

    private async Task<HttpResponseMessage> ExchangeAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, cancel).ConfigureAwait(false);
        }
        catch (HttpRequestException e) when (e.InnerException is AdminException or null)
        {
            throw e.InnerException as AdminException ?? new AdminException($"the server went away: {Sentence.Of(e)}");
        }
        catch (HttpRequestException e)
        {
            throw new AdminException($"the server went away: {Sentence.Of(e)}");
        }
        catch (TaskCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new AdminException($"the server has not answered for {Patience.TotalMinutes:0} minutes");
        }
        if (response.IsSuccessStatusCode) return response;
        using (response) throw new AdminException(await FaultAsync(response, cancel).ConfigureAwait(false));
    }

    private static async Task<string> FaultAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        try
        {
            return (await response.Content.ReadFromJsonAsync(AdminJson.Default.Fault, cancel).ConfigureAwait(false))!.Error;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or NullReferenceException)
        {
            return response.StatusCode == HttpStatusCode.NotFound ? "this server does not know that command: it is another version" : $"the server answered {(int)response.StatusCode}";
        }
    }

    private async ValueTask<Stream> ConnectAsync(CancellationToken cancel)
    {
        var path = StartCheck.AdminSocket(_folder);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancel).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception e) when (e is SocketException or ArgumentOutOfRangeException)
        {
            socket.Dispose();
            throw new AdminException(e is SocketException { SocketErrorCode: SocketError.AccessDenied }
                ? $"the server of {_folder} belongs to another user: {path} may be used by its owner only"
                : $"no server is running with the data folder {_folder}: start it with 'indaba run', or name the folder with --data");
        }
    }
}
