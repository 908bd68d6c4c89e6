using System.Runtime.CompilerServices;
using Indaba.Server.Tests.Wire;

namespace Indaba.Server.Tests.Scenarios;

/// <summary>Makes accounts in large lots: a command for each would take longer than the test that needs it.</summary>
internal static class Accounts
{
    private const int LotSize = 200;
    private static readonly ConditionalWeakTable<TestServer, Stock> Stocks = [];

    /// <summary>Makes accounts of these names; requests that come while a lot is being made go together into the next.</summary>
    public static Task Add(TestServer server, IEnumerable<string> names) => StockOf(server).Add(names);

    /// <summary>An account that nobody has used.</summary>
    public static Task<string> New(TestServer server) => StockOf(server).New();

    private static Stock StockOf(TestServer server) => Stocks.GetValue(server, static s => new Stock(s));

    private sealed class Stock(TestServer server)
    {
        private readonly SemaphoreSlim _making = new(1, 1);
        private readonly List<string> _waiting = [];
        private readonly Queue<string> _unused = new();

        public async Task Add(IEnumerable<string> names)
        {
            string[] mine = [.. names];
            lock (_waiting) _waiting.AddRange(mine);
            await _making.WaitAsync();
            try
            {
                await MakeWaiting();
            }
            finally
            {
                _making.Release();
            }
        }

        public async Task<string> New()
        {
            await _making.WaitAsync();
            try
            {
                if (_unused.Count == 0)
                {
                    string[] lot = [.. Enumerable.Range(0, LotSize).Select(_ => "account" + ScenarioRun.NewSuffix())];
                    lock (_waiting) _waiting.AddRange(lot);
                    await MakeWaiting();
                    foreach (var name in lot) _unused.Enqueue(name);
                }
                return _unused.Dequeue();
            }
            finally
            {
                _making.Release();
            }
        }

        private async Task MakeWaiting()
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
    }
}
