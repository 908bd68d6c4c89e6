using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Indaba.Server.Mailbox;
using Indaba.Server.Storage;
using Indaba.Server.Tests.Mailbox;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Indaba.Server.Tests.Storage;

/// <summary>
/// Another process that works on the data: an explicit test of this very assembly, which does nothing unless a parent has named
/// the data to it.
/// </summary>
public sealed partial class Child
{
    private const string DataVariable = "INDABA_CHILD_DATA", Mark = "child:";

    private static string? File => Environment.GetEnvironmentVariable(DataVariable);

    /// <summary>Says whether it could open the data, and holds it until it is killed.</summary>
    [Fact(Explicit = true)]
    public async Task Opens_the_data()
    {
        if (File is not { } file) return;
        await using var output = new Output();
        try
        {
            await using var database = await TestData.OpenDatabaseAsync(file, TimeProvider.System, NullLoggerFactory.Instance, TestData.Cancel);
            output.Line("open");
            output.Flush();
            await Task.Delay(TestData.Limit * 2, TimeProvider.System, TestData.Cancel);
        }
        catch (StorageException error)
        {
            output.Line(error.Message);
            output.Flush();
        }
    }

    /// <summary>Appends pairs without end, sixteen at a time, and reports each that is committed.</summary>
    [Fact(Explicit = true)]
    public async Task Appends_until_it_is_killed()
    {
        if (File is not { } file) return;
        await using var output = new Output();
        await using var database = await TestData.OpenDatabaseAsync(file, TimeProvider.System, NullLoggerFactory.Instance, TestData.Cancel);
        await using var log = await MailboxLog.OpenAsync(database, NullLoggerFactory.Instance, TestData.Cancel);
        log.BatchCompleted = () =>
        {
            lock (output) output.Flush();
        };
        var epochs = new Dictionary<long, long>();
        var starts = new List<(long, long, long, long)>();
        for (var chain = 0; chain < 16; chain++)
        {
            long account = 1 + 2 * chain, other = account + 1;
            var (head, otherHead) = (await log.OpenAsync(account, 0, TestData.Cancel), await log.OpenAsync(other, 0, TestData.Cancel));
            (epochs[account], epochs[other]) = (head.Epoch, otherHead.Epoch);
            starts.Add((account, other, head.LastSeq + 1, otherHead.LastSeq + 1));
        }
        foreach (var (account, other, seq, otherSeq) in starts) Next(account, other, seq, otherSeq);
        await Task.Delay(TestData.Limit * 2, TimeProvider.System, TestData.Cancel);

        void Next(long account, long other, long seq, long otherSeq)
        {
            var id = $"{account}-{seq}";
            log.Cursors.Move(account, "device", "", seq);
            var left = 2;
            log.Enqueue(new TestAppend(Entries.New(account, seq, id: id)) { Epoch = epochs[account], OnCommitted = End, OnFailed = Refused });
            log.Enqueue(new TestAppend(Entries.New(other, otherSeq, Direction.Out, id: id)) { Epoch = epochs[other], OnCommitted = End, OnFailed = Refused });

            void Refused()
            {
                lock (output) output.Line($"refused {account}");
            }

            void End()
            {
                if (Interlocked.Decrement(ref left) > 0) return;
                lock (output) output.Line($"{account} {seq} {otherSeq}");
                Next(account, other, seq + 1, otherSeq + 1);
            }
        }
    }

    /// <summary>Starts one of the above.</summary>
    internal static Running Start(string test, string file)
    {
        var host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        var start = new ProcessStartInfo(host, ["exec", typeof(Child).Assembly.Location, "--explicit", "only", "--filter-method", $"{typeof(Child).FullName}.{test}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { [DataVariable] = file },
        };
        return new Running(Process.Start(start)!);
    }

    internal sealed partial class Running(Process process) : IAsyncDisposable
    {
        private readonly Task<string> _errors = process.StandardError.ReadToEndAsync();

        /// <summary>The next line that the test has written, without what the test runner writes; null at the end.</summary>
        public async Task<string?> ReadAsync()
        {
            while (await process.StandardOutput.ReadLineAsync(TestData.Cancel).AsTask().WaitAsync(TestData.Limit, TestData.Cancel) is { } line)
                if (line.StartsWith(Mark, StringComparison.Ordinal)) return line[Mark.Length..].EndsWith('.') ? line[Mark.Length..^1] : null;
            return null;
        }

        /// <summary>SIGSTOP.</summary>
        public void Freeze() => _ = Signal(process.Id, 19);

        /// <summary>SIGCONT.</summary>
        public void Thaw() => _ = Signal(process.Id, 18);

        /// <summary>Reads until so many of its chains have met a refusal, which ends them.</summary>
        public async Task UntilRefusedAsync(List<string> lines, int chains)
        {
            var refused = new HashSet<string>();
            while (refused.Count < chains)
            {
                lines.Add(await ReadAsync() ?? throw new InvalidOperationException("the child ended by itself"));
                if (lines[^1].StartsWith("refused", StringComparison.Ordinal)) refused.Add(lines[^1]);
            }
        }

        /// <summary>SIGKILL: no handler, no finally, nothing is flushed.</summary>
        public async Task KillAsync()
        {
            process.Kill();
            await process.WaitForExitAsync(TestData.Cancel).WaitAsync(TestData.Limit, TestData.Cancel);
        }

        public async ValueTask DisposeAsync()
        {
            if (!process.HasExited) await KillAsync();
            await _errors;
            process.Dispose();
        }
    }

    /// <summary>Standard output without the buffers and colours of a test runner. A full stop ends a line, so that one that was cut is seen.</summary>
    private sealed class Output : IAsyncDisposable
    {
        private readonly Stream _stream = Console.OpenStandardOutput();
        private readonly StringBuilder _lines = new();

        public void Line(string text) => _lines.Append('\n').Append(Mark).Append(text).Append(".\n");

        public void Flush()
        {
            _stream.Write(Encoding.UTF8.GetBytes(_lines.ToString()));
            _lines.Clear();
        }

        public ValueTask DisposeAsync() => _stream.DisposeAsync();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int pid, int signal);
}
