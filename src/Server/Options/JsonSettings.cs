using System.Text.Json;

namespace Indaba.Server.Options;

/// <summary>Reads a settings file: JSON with comments and trailing commas, groups as objects, or dotted names.</summary>
internal static class JsonSettings
{
    private static readonly JsonDocumentOptions Relaxed = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 16 };

    /// <summary>Adds every value of the file to <paramref name="found"/>, and a sentence for each mistake to <paramref name="mistakes"/>.</summary>
    public static void Read(string file, IDictionary<string, SettingValue> found, ICollection<string> mistakes)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            mistakes.Add($"the settings file {file} cannot be read: {Sentence.Of(e)}");
            return;
        }
        try
        {
            using var document = JsonDocument.Parse(bytes, Relaxed);
            if (document.RootElement.ValueKind == JsonValueKind.Object) Flatten(document.RootElement, "", file, found, mistakes);
            else mistakes.Add($"{file}: the settings must stand in braces, {{ \"domain\": \"example.org\" }}");
        }
        catch (JsonException e)
        {
            mistakes.Add($"{file}, line {e.LineNumber + 1}: this is not valid JSON ({Detail(e)})");
        }
    }

    private static void Flatten(JsonElement group, string prefix, string file, IDictionary<string, SettingValue> found, ICollection<string> mistakes)
    {
        foreach (var property in group.EnumerateObject())
        {
            var path = prefix + property.Name;
            var value = property.Value;
            if (value.ValueKind == JsonValueKind.Object)
            {
                Flatten(value, path + ".", file, found, mistakes);
                continue;
            }
            if (value.ValueKind == JsonValueKind.Null) continue; // null is "not set"
            if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().Any(v => v.ValueKind is JsonValueKind.Array or JsonValueKind.Object))
            {
                mistakes.Add($"{file}: '{path}' may hold only plain values in its list");
                continue;
            }
            IReadOnlyList<string> items = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(Text)] : [Text(value)];
            if (!found.TryAdd(path, new SettingValue(items, file))) mistakes.Add($"{file}: '{path}' is set twice");
        }
    }

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    // "'x' is invalid after a value. LineNumber: 2 | BytePositionInLine: 4." → the part before LineNumber
    private static string Detail(JsonException e)
    {
        var end = e.Message.IndexOf("LineNumber", StringComparison.Ordinal);
        return (end < 0 ? e.Message : e.Message[..end]).Trim().TrimEnd('.');
    }
}

/// <summary>A value as text, and where it was found ("/etc/indaba.json", "the environment variable INDABA_DOMAIN", "--domain").</summary>
internal sealed record SettingValue(IReadOnlyList<string> Items, string Origin);
