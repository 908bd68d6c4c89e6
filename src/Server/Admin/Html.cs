using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Unicode;

namespace Indaba.Server.Admin;

/// <summary>
/// HTML that is written as an interpolated string: <c>Html x = $"&lt;p&gt;{name}&lt;/p&gt;"</c>. What stands in braces is escaped,
/// for text and for attributes in double quotes; only another <see cref="Html"/> goes in as it is.
/// </summary>
[InterpolatedStringHandler]
internal readonly struct Html
{
    private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(UnicodeRanges.All);
    private readonly StringBuilder _text;

    public Html(int literalLength, int formattedCount) => _text = new StringBuilder(literalLength + (formattedCount * 32));

    /// <summary>Nothing.</summary>
    public static Html Empty { get; } = new(0, 0);

    public void AppendLiteral(string value) => _text.Append(value);

    public void AppendFormatted(string? value) => _text.Append(value is null ? "" : Encoder.Encode(value));

    public void AppendFormatted(int value) => _text.Append(value);

    public void AppendFormatted(Html value) => _text.Append(value._text);

    public void AppendFormatted(IEnumerable<Html> values)
    {
        foreach (var value in values) _text.Append(value._text);
    }

    /// <summary>Markup of this program itself.</summary>
    public static Html Raw(string markup)
    {
        var html = new Html(markup.Length, 0);
        html.AppendLiteral(markup);
        return html;
    }

    public static Html Of(Html html) => html;

    public override string ToString() => _text?.ToString() ?? "";
}
