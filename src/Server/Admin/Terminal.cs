using System.Globalization;
using System.Text;

namespace Indaba.Server.Admin;

/// <summary>Where a command writes and reads; tests give their own.</summary>
internal sealed record Terminal(TextWriter Out, TextWriter Error, TextReader In, bool Interactive, IReadOnlyDictionary<string, string>? Environment = null)
{
    /// <summary>The process's own.</summary>
    public static Terminal Process { get; } = new(Console.Out, Console.Error, Console.In, !Console.IsInputRedirected && !Console.IsOutputRedirected);

    /// <summary>Asks for a password without showing it; null when there is nobody to ask, or the two do not match.</summary>
    public string? AskPassword(string name)
    {
        if (!Interactive) return null;
        var first = Hidden($"Password for {name}: ");
        if (Hidden("Again: ") == first) return first;
        Error.WriteLine("the two are not the same");
        return null;
    }

    /// <summary>Asks a question that only "yes" or "y" answers.</summary>
    public bool Confirm(string question)
    {
        if (!Interactive) return false;
        Out.Write($"{question} [y/N] ");
        return In.ReadLine()?.Trim().ToUpperInvariant() is "Y" or "YES";
    }

    private string Hidden(string prompt)
    {
        Out.Write(prompt);
        var text = new StringBuilder();
        while (true)
        {
            var key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Enter) break;
            if (key.Key == ConsoleKey.Backspace && text.Length > 0) text.Length--;
            else if (key.KeyChar >= ' ') text.Append(key.KeyChar);
        }
        Out.WriteLine();
        return text.ToString();
    }

    /// <summary>Writes rows in columns; numbers go to the right. What clients named themselves cannot steer the terminal.</summary>
    public void Table(IReadOnlyList<string> head, IEnumerable<IReadOnlyList<string>> rows)
    {
        var all = rows.Select(r => (IReadOnlyList<string>)[.. r.Select(Clean)]).ToArray();
        var widths = Enumerable.Range(0, head.Count).Select(i => all.Select(r => r[i].Length).Append(head[i].Length).Max()).ToArray();
        var right = Enumerable.Range(0, head.Count).Select(i => all.Length > 0 && all.All(r => r[i].TrimEnd('+').All(char.IsAsciiDigit))).ToArray();
        foreach (var row in all.Prepend([.. head.Select(h => h.ToUpperInvariant())]))
        {
            var cells = row.Select((cell, i) => right[i] ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]));
            Out.WriteLine(string.Join("  ", cells).TrimEnd());
        }
    }

    /// <summary>A time as tables show it.</summary>
    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>Text without control characters.</summary>
    public static string Clean(string text) => text.Any(char.IsControl) ? new string([.. text.Select(c => char.IsControl(c) ? '?' : c)]) : text;
}
