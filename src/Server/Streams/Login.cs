using Indaba.Server.Storage;
using Indaba.Xmpp;

namespace Indaba.Server.Streams;

/// <summary>The application that logs in, as it describes itself (XEP-0388 section 2.3).</summary>
/// <param name="Id">A UUID that stays the same for one installation, or null.</param>
internal sealed record UserAgent(string? Id, string? Software, string? Device);

/// <summary>Who was authenticated on a stream.</summary>
internal sealed record Login(AccountRow Account, Jid Bare, UserAgent? Agent);
