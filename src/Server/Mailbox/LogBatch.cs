using System.Runtime.InteropServices;
using Indaba.Server.Storage;

namespace Indaba.Server.Mailbox;

/// <summary>
/// One batch of a <see cref="LogShard"/>, over all the attempts that it takes. When PostgreSQL refuses a value, the batch is halved until
/// the one that bears it stands alone, and that one fails. What is decided stays decided when a later part meets an outage.
/// </summary>
/// <param name="open">Gives statements on an open connection.</param>
/// <param name="drop">Lets go of that connection.</param>
internal sealed class LogBatch(List<Append> appends, List<Tick> ticks, Func<LogStatements> open, Action drop)
{
    private readonly List<Append> _appends = [.. appends];
    private readonly List<Tick> _ticks = [.. ticks];

    /// <summary>Entries that the fence has refused.</summary>
    public int Fenced { get; private set; }

    public List<(Tick Tick, Exception Error)> RefusedTicks { get; } = [];

    /// <summary>Commits what is not decided yet.</summary>
    /// <param name="unsure">True after an attempt that broke off: what it wrote is found by key and epoch.</param>
    public void Commit(bool unsure)
    {
        while (_ticks.Count + _appends.Count > 0) Commit(unsure, _appends.Count, _ticks.Count);
    }

    /// <summary>Gives up.</summary>
    public void Fail(Exception error)
    {
        foreach (var append in _appends) append.Error = error;
    }

    /// <summary>Decides the first so many of both.</summary>
    private void Commit(bool unsure, int appends, int ticks)
    {
        try
        {
            var statements = open();
            var part = CollectionsMarshal.AsSpan(_appends)[..appends];
            var written = statements.Commit(part, CollectionsMarshal.AsSpan(_ticks)[..ticks]);
            if (written.Count < appends)
            {
                if (unsure) written.UnionWith(statements.Present(part));
                foreach (var append in part)
                {
                    if (written.Contains((append.Entry.Account, append.Entry.Seq))) continue;
                    append.Error = new FencedException(append.Entry.Account, append.Entry.Seq);
                    Fenced++;
                }
            }
        }
        catch (Exception error) when (PostgresFaults.IsRefusal(error))
        {
            if (error is not Npgsql.PostgresException) drop(); // it could not even be sent: half of it may be on its way
            if (appends + ticks > 1)
            {
                // Ticks first: they must be there when the appends are.
                if (ticks > 0 && appends > 0) Commit(unsure, 0, ticks);
                else Commit(unsure, (appends + 1) / 2, (ticks + 1) / 2);
                return; // the rest is what is left, and its turn comes
            }
            if (appends == 1) _appends[0].Error = error;
            else RefusedTicks.Add((_ticks[0], error));
        }
        _appends.RemoveRange(0, appends);
        _ticks.RemoveRange(0, ticks);
    }
}
