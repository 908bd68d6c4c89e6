using Indaba.Cluster;

// A whole cluster on this machine: PostgreSQL, nodes and HAProxy, in one folder.
// Exit code: 0, 1 when something is wrong, 2 when the command line is.
try
{
    var line = CommandLine.Parse(args);
    return line.Command switch
    {
        "help" => CommandLine.Help(),
        "up" when line.Detach => await Up.Detached(line),
        "up" => await Up.Foreground(line),
        "psql" => await Control.Psql(line.Folder, line.Words),
        "down" => await Control.Down(line.Folder),
        _ => await Control.Tell(line.Folder, [line.Command, .. line.Words]),
    };
}
catch (FormatException e)
{
    Console.Error.WriteLine($"cluster: {e.Message}\n\n{CommandLine.HelpText}");
    return 2;
}
catch (Exception e) when (e is ClusterException or InvalidOperationException or IOException)
{
    Console.Error.WriteLine($"cluster: {e.Message}");
    return 1;
}
