using System.Globalization;

namespace Indaba.Server.Options;

/// <summary>A TCP port to listen on: a number, 0 for any free one, or off.</summary>
/// <param name="Number">0 to 65,535, or -1 for off.</param>
internal readonly record struct ListenPort(int Number)
{
    /// <summary>Do not listen.</summary>
    public static ListenPort Off { get; } = new(-1);

    /// <summary>True unless it is switched off.</summary>
    public bool IsOn => Number >= 0;

    /// <summary>Reads <c>off</c>, <c>false</c>, or a number from 0 to 65,535.</summary>
    public static bool TryParse(string text, out ListenPort port)
    {
        if (text.Equals("off", StringComparison.OrdinalIgnoreCase) || text.Equals("false", StringComparison.OrdinalIgnoreCase))
        {
            port = Off;
            return true;
        }
        port = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? new ListenPort(number) : Off;
        return port.Number is >= 0 and <= 65_535;
    }

    public override string ToString() => IsOn ? Number.ToString(CultureInfo.InvariantCulture) : "off";
}
