using System.Runtime.CompilerServices;
using Indaba.Server.Tests.Wire;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>Makes accounts in large lots: a command for each would take longer than the test that needs it.</summary>
internal static class Accounts
{
    private static readonly ConditionalWeakTable<TestServer, Lot> Lots = [];

    /// <summary>Makes accounts; requests that come while a lot is being made go together into the next.</summary>
    public static Task Add(TestServer server, IEnumerable<string> names) => Lots.GetValue(server, static s => new Lot(s)).Add(names);

    private sealed class Lot(TestServer server)
    {
        private readonly SemaphoreSlim _making = new(1, 1);
        private readonly List<string> _waiting = [];

        public async Task Add(IEnumerable<string> names)
        {
            string[] mine = [.. names];
            lock (_waiting) _waiting.AddRange(mine);
            await _making.WaitAsync();
            try
            {
                string[] lot;
                lock (_waiting)
                {
                    lot = [.. _waiting];
                    _waiting.Clear();
                }
                // Empty when an earlier lot took these names along.
                if (lot.Length > 0) await server.AddAccounts(lot);
            }
            finally
            {
                _making.Release();
            }
        }
    }
}
