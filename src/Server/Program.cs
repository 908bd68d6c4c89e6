using Indaba.Server;
using Indaba.Server.Admin;

// The whole program: the command line, and what it runs as a server.
return await CommandLine.RunAsync(args, ServerRun.RunAsync).ConfigureAwait(false);
