using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Storage;
using Npgsql;
using Xunit;

namespace Indaba.Server.Tests.Mailbox;

/// <summary>Two nodes that both think that an account is theirs: only what the last one to claim it knows is ever committed.</summary>
public sealed class FenceTests
{
    [Fact]
    public async Task After_a_claim_the_former_owner_commits_nothing()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        await using var first = await PostgresNode.StartAsync(place);
        await using var second = await PostgresNode.StartAsync(place);
        var mine = await first.ClaimAsync(1);
        Assert.Equal((1L, 0L), (mine.Epoch, mine.LastSeq));
        Assert.True(await PostgresNode.IsCommittedAsync(first.Append(1, 1, mine.Epoch)));
        var theirs = await second.ClaimAsync(1);
        Assert.Equal((2L, 1L, 1), (theirs.Epoch, theirs.LastSeq, theirs.Tail.Count));
        var (late, other) = (first.Append(1, 2, mine.Epoch), first.Append(2, 1, (await first.ClaimAsync(2)).Epoch));
        Assert.False(await PostgresNode.IsCommittedAsync(late));
        Assert.True(await PostgresNode.IsCommittedAsync(other)); // of the same batch, perhaps
        Assert.True(await PostgresNode.IsCommittedAsync(second.Append(1, 2, theirs.Epoch)));
        var back = await first.ClaimAsync(1);
        Assert.Equal((3L, 2L), (back.Epoch, back.LastSeq));
        Assert.False(await PostgresNode.IsCommittedAsync(second.Append(1, 3, theirs.Epoch)));
        Assert.True(await PostgresNode.IsCommittedAsync(first.Append(1, 3, back.Epoch)));
    }

    [Fact]
    public async Task A_second_state_on_the_same_node_fences_the_first_and_knows_what_it_had_under_way()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        await using var node = await PostgresNode.StartAsync(place);
        var first = await node.ClaimAsync(1);
        var appends = Enumerable.Range(1, 2000).Select(seq => node.Append(1, seq, first.Epoch)).ToList();
        var second = await node.ClaimAsync(1);
        var committed = 0;
        foreach (var append in appends) if (await PostgresNode.IsCommittedAsync(append)) committed++;
        Assert.Equal(committed, second.LastSeq);
        Assert.True(await PostgresNode.IsCommittedAsync(node.Append(1, second.LastSeq + 1, second.Epoch)));
    }

    [Fact]
    public async Task A_claim_waits_for_what_the_former_owner_is_committing()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        await using var first = await PostgresNode.StartAsync(place);
        await using var second = await PostgresNode.StartAsync(place);
        var mine = await first.ClaimAsync(1);
        Assert.True(await PostgresNode.IsCommittedAsync(first.Append(1, 1, mine.Epoch)));
        await using var hold = await Hold.AtAsync(place, 1, 2);
        var underWay = first.Append(1, 2, mine.Epoch);
        await hold.UntilWaitingAsync(first, 1);
        var claim = second.ClaimAsync(1);
        await hold.UntilAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%-jobs' AND wait_event = 'advisory'", 1);
        Assert.False(claim.IsCompleted);
        await hold.ReleaseAsync();
        var theirs = await claim.WaitAsync(TestData.Limit, TestData.Cancel);
        // Either it was in time and the claimer has read it, or its connection was ended and it was refused. Never a third.
        Assert.Equal(await PostgresNode.IsCommittedAsync(underWay) ? 2 : 1, theirs.LastSeq);
        Assert.Equal(theirs.LastSeq, (await second.SeqsAsync(1)).Count);
    }

    [Fact]
    public async Task A_former_owner_that_does_not_come_to_an_end_is_ended()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        await using var first = await PostgresNode.StartAsync(place);
        await using var second = await PostgresNode.StartAsync(place);
        var (mine, other) = (await first.ClaimAsync(1), await first.ClaimAsync(3)); // both of the same writer
        await using var hold = await Hold.AtAsync(place, 1, 1);
        var underWay = first.Append(1, 1, mine.Epoch);
        await hold.UntilWaitingAsync(first, 1);
        var beside = first.Append(3, 1, other.Epoch);
        var theirs = await second.ClaimAsync(1).WaitAsync(TestData.Limit, TestData.Cancel); // although nobody lets go
        Assert.Equal(0, theirs.LastSeq);
        await hold.ReleaseAsync();
        Assert.False(await PostgresNode.IsCommittedAsync(underWay));
        Assert.True(await PostgresNode.IsCommittedAsync(beside)); // what is still the first one's is written after the break
        Assert.Empty(await second.SeqsAsync(1));
    }

    [Fact]
    public async Task A_third_owner_waits_for_the_first_one_too()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        await using var first = await PostgresNode.StartAsync(place);
        await using var second = await PostgresNode.StartAsync(place);
        await using var third = await PostgresNode.StartAsync(place);
        var mine = await first.ClaimAsync(1);
        await using var hold = await Hold.AtAsync(place, 1, 1);
        var underWay = first.Append(1, 1, mine.Epoch);
        await hold.UntilWaitingAsync(first, 1);
        var claims = new[] { second.ClaimAsync(1), third.ClaimAsync(1) }; // in whatever order
        await hold.UntilAsync("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%-jobs' AND wait_event_type = 'Lock'", 2);
        await hold.ReleaseAsync();
        var heads = await Task.WhenAll(claims).WaitAsync(TestData.Limit, TestData.Cancel);
        var known = await PostgresNode.IsCommittedAsync(underWay) ? 1 : 0;
        Assert.Equal(known, heads.MaxBy(head => head.Epoch)!.LastSeq);
        Assert.Equal(known, await third.NumberAsync("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task A_process_that_was_frozen_acks_nothing_that_the_others_do_not_know()
    {
        var place = await PostgresFixture.NewDatabaseAsync();
        await using var node = await PostgresNode.StartAsync(place);
        await using var child = Child.Start(nameof(Child.Appends_until_it_is_killed), place);
        var reported = new List<string>();
        for (var i = 0; i < 2000; i++) reported.Add(await child.ReadAsync() ?? throw new InvalidOperationException("the child ended by itself"));
        child.Freeze();
        var known = new Dictionary<long, long>();
        for (var account = 1L; account <= 32; account++) known[account] = (await node.ClaimAsync(account)).LastSeq;
        child.Thaw();
        // It goes on with what it had, is refused, and says nothing more: its chains have ended when all are refused.
        for (var account = 1L; account <= 32; account++)
        {
            var head = await node.ClaimAsync(account);
            Assert.True(await PostgresNode.IsCommittedAsync(node.Append(account, head.LastSeq + 1, head.Epoch)));
            Assert.Equal(known[account], head.LastSeq);
        }
        await child.UntilRefusedAsync(reported, 16);
        await child.KillAsync();
        while (await child.ReadAsync() is { } line) reported.Add(line);
        foreach (var line in reported.Where(line => line.Length > 0 && char.IsAsciiDigit(line[0])))
        {
            var parts = line.Split(' ').Select(n => long.Parse(n, null)).ToArray();
            Assert.True(parts[1] <= known[parts[0]] && parts[2] <= known[parts[0] + 1], $"{line} was acked and the claimer did not know it");
        }
    }

    /// <summary>A transaction that has put in a row with the key of another, so that whoever inserts that one waits in the middle of it.</summary>
    private sealed class Hold(NpgsqlConnection connection, NpgsqlTransaction transaction, NpgsqlConnection observer) : IAsyncDisposable
    {
        public static async Task<Hold> AtAsync(string place, long account, long seq)
        {
            var connection = new NpgsqlConnection(place + ";Pooling=false");
            await connection.OpenAsync(TestData.Cancel);
            var observer = new NpgsqlConnection(place + ";Pooling=false");
            await observer.OpenAsync(TestData.Cancel);
            var transaction = await connection.BeginTransactionAsync(TestData.Cancel);
            await using var insert = new NpgsqlCommand($"INSERT INTO log VALUES ({account}, {seq}, 0, 0, 0, 0, '', NULL, '', '', NULL, NULL, '')", connection);
            await insert.ExecuteNonQueryAsync(TestData.Cancel);
            return new Hold(connection, transaction, observer);
        }

        /// <summary>Until so many writers of a node wait for this.</summary>
        public Task UntilWaitingAsync(PostgresNode node, int writers) => UntilAsync(
            $"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{node.Database.Connector.ApplicationName(ConnectionKind.Log)}' AND wait_event_type = 'Lock'", writers);

        public async Task UntilAsync(string sql, long value)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestData.Cancel);
            limit.CancelAfter(TestData.Limit);
            while (true)
            {
                await using var command = new NpgsqlCommand(sql, observer);
                if ((long)(await command.ExecuteScalarAsync(limit.Token))! == value) return;
            }
        }

        public Task ReleaseAsync() => transaction.RollbackAsync(TestData.Cancel);

        public async ValueTask DisposeAsync()
        {
            await connection.DisposeAsync();
            await observer.DisposeAsync();
        }
    }
}
