namespace Indaba.Server.Sessions;

/// <summary>One row of the process table, as the operator sees it.</summary>
internal sealed record SessionInfo(string Id, string Jid, string Device, string Node, string Address, DateTimeOffset Since, string State, int Queue, int Unacked, string Transport, bool Secure);
