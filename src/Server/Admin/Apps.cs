namespace Indaba.Server.Admin;

/// <summary>Apps that the pages name (XEP-0379 section 3.3 asks for a recommendation by operating system). All are free and known to work.</summary>
internal static class Apps
{
    private sealed record App(string Name, string Systems, string Url);

    private static readonly App[] Known =
    [
        new("Conversations", "Android", "https://conversations.im/"),
        new("Monal", "iPhone, iPad, Mac", "https://monal-im.org/"),
        new("Gajim", "Windows, Mac, Linux", "https://gajim.org/"),
        new("Dino", "Linux, Windows", "https://dino.im/"),
        new("Profanity", "Terminal", "https://profanity-im.github.io/"),
    ];

    /// <summary>The list, with those for the visitor's device first.</summary>
    public static Html List(Texts texts, string userAgent)
    {
        var system = System(userAgent);
        bool Fits(App app) => system is not null && app.Systems.Contains(system, StringComparison.Ordinal);
        var items = Known.OrderBy(a => Fits(a) ? 0 : 1).Select(a => Html.Of(
            $"""<li><a href="{a.Url}" rel="noreferrer">{a.Name}</a> <span class="soft">{a.Systems}{(Fits(a) ? ", " + texts.ForThisDevice : "")}</span></li>"""));
        return $"<section><h2>{texts.Apps}</h2><ul>{items}</ul></section>";
    }

    private static string? System(string userAgent) => userAgent switch
    {
        _ when userAgent.Contains("Android", StringComparison.Ordinal) => "Android",
        _ when userAgent.Contains("iPhone", StringComparison.Ordinal) => "iPhone",
        _ when userAgent.Contains("iPad", StringComparison.Ordinal) => "iPad",
        _ when userAgent.Contains("Macintosh", StringComparison.Ordinal) => "Mac",
        _ when userAgent.Contains("Windows", StringComparison.Ordinal) => "Windows",
        _ when userAgent.Contains("Linux", StringComparison.Ordinal) => "Linux",
        _ => null,
    };
}
