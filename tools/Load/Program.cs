using Indaba.Load;
using Indaba.Server.Tests.Wire;

// Puts load on a server of its own and measures the server's CPU and memory from outside, by /proc.
// Exit code: 0, 1 when something was lost, doubled or out of order, 2 when the run failed.
try
{
    var options = LoadOptions.Parse(args);
    await using TestServer server = options.Server switch
    {
        "indaba" => await ServerProcess.StartNew(options.ServerArguments),
        "prosody" => await ProsodyProcess.StartNew(options.ServerArguments),
        _ => throw new FormatException($"unknown server {options.Server}"),
    };
    var ok = options.Command switch
    {
        "chat" => await new ChatRun(options, server).Run(),
        "idle" => await new IdleRun(options, server).Run(),
        "storm" => await new StormRun(options, server).Run(),
        _ => await new LoginRun(options, server).Run(),
    };
    return ok ? 0 : 1;
}
catch (FormatException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
