using Indaba.Load;

// Puts load on a server of its own and measures the server's CPU and memory from outside, by /proc.
// Exit code: 0, 1 when something was lost, doubled or out of order, 2 when the run failed.
try
{
    var options = LoadOptions.Parse(args);
    await using var target = await LoadTarget.Start(options);
    var ok = options.Command switch
    {
        "chat" => await new ChatRun(options, target).Run(),
        "idle" => await new IdleRun(options, target).Run(),
        "storm" => await new StormRun(options, target).Run(),
        _ => await new LoginRun(options, target).Run(),
    };
    return ok ? 0 : 1;
}
catch (FormatException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}
