using System.Text;
using QRCoder;

namespace Indaba.Server.Admin;

/// <summary>A QR code as one SVG path: no image file, no script.</summary>
internal static class QrSvg
{
    public static Html Of(string text, string label)
    {
        using var generator = new QRCodeGenerator();
        using var code = generator.CreateQrCode(text, QRCodeGenerator.ECCLevel.M); // with its quiet zone of 4 modules
        var rows = code.ModuleMatrix;
        var path = new StringBuilder();
        for (var y = 0; y < rows.Count; y++)
        {
            for (var x = 0; x < rows[y].Length; x++)
            {
                if (!rows[y][x]) continue;
                var start = x;
                while (x < rows[y].Length && rows[y][x]) x++;
                path.Append('M').Append(start).Append(' ').Append(y).Append('h').Append(x - start).Append("v1h-").Append(x - start).Append('z');
            }
        }
        return $"""<svg viewBox="0 0 {rows.Count} {rows.Count}" role="img" aria-label="{label}" shape-rendering="crispEdges"><path d="{path.ToString()}" fill="#000"/></svg>""";
    }
}
