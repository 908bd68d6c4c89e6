using System.Text.RegularExpressions;
using Indaba.Server.Options;
using Indaba.Server.Tests.Telemetry;
using Xunit;

namespace Indaba.Server.Tests.Options;

/// <summary>The container files cannot be run by the tests; what can be read from them holds: every setting exists, and nothing runs as root.</summary>
public sealed partial class DeployFilesTests
{
    private static readonly string Deploy = DashboardTests.Folder();

    /// <summary>The settings of the balancer's agent-check and of the PROXY protocol.</summary>
    private static readonly string[] Balancer = ["cluster.agentPort", "cluster.agentBind", "proxyProtocol.from"];

    private static string Read(params string[] path) => File.ReadAllText(Path.Combine([Deploy, .. path]));

    public static TheoryData<string> Files => [.. Directory.EnumerateFiles(Deploy, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Deploy, f)).Where(f => Variable().IsMatch(File.ReadAllText(Path.Combine(Deploy, f))))];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_variable_is_a_setting_with_a_value_that_is_accepted(string file)
    {
        foreach (Match match in Variable().Matches(Read(file)))
        {
            var path = match.Groups["name"].Value.Replace("__", ".", StringComparison.Ordinal);
            if (Balancer.Contains(path, StringComparer.OrdinalIgnoreCase) && Schema.Find(path) is null) continue;
            Assert.True(Schema.Find(path) is not null, $"{file}: {match.Value} is no setting");
            var value = match.Groups["value"].Value.Trim().Trim('"');
            if (value.Length > 0 && !value.Contains('$', StringComparison.Ordinal) && !Schema.Find(path)!.IsOneNode && !Schema.Find(path)!.IsSecret)
                Assert.Null(SettingsSource.SharedFault(path, value));
        }
    }

    [Fact]
    public void The_image_runs_as_its_own_user_and_is_stopped_and_asked_in_the_right_way()
    {
        var lines = Read("Dockerfile").Split('\n').Where(l => !l.StartsWith('#')).ToArray();
        var last = Array.FindLastIndex(lines, l => l.StartsWith("FROM ", StringComparison.Ordinal));
        var final = lines[last..];
        Assert.Contains("USER $APP_UID", final);
        Assert.Contains("STOPSIGNAL SIGTERM", final);
        Assert.Contains(final, l => l.StartsWith("HEALTHCHECK ", StringComparison.Ordinal) && l.EndsWith("CMD [\"indaba\", \"health\"]", StringComparison.Ordinal));
        Assert.Contains("ENTRYPOINT [\"indaba\"]", final);
    }

    [Fact]
    public void A_pod_is_drained_for_as_long_as_the_drain_may_take_and_gets_no_foreign_variables()
    {
        var pod = Read("kubernetes", "deployment.yaml");
        Assert.Contains("command: [\"indaba\", \"drain\", \"--wait\"]", pod, StringComparison.Ordinal);
        Assert.Contains("enableServiceLinks: false", pod, StringComparison.Ordinal);
        var grace = int.Parse(Grace().Match(pod).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
        var drain = new ServerOptions().Cluster;
        Assert.True(grace >= drain.DrainNoticeSeconds + drain.DrainSeconds + 20);
    }

    [Fact]
    public void The_unit_starts_a_node_again_that_ended_itself_but_not_one_that_the_operator_has_sent_away()
    {
        var unit = Read("indaba.service");
        Assert.Contains("\nRestart=always\n", unit, StringComparison.Ordinal);
        Assert.Contains($"\nRestartPreventExitStatus=2 {ServerRun.DrainedAndStopped}\n", unit, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\bINDABA_(?<name>[A-Z_0-9]+)(?:=|: )(?<value>[^\n},#]*)")]
    private static partial Regex Variable();

    [GeneratedRegex(@"terminationGracePeriodSeconds: (\d+)")]
    private static partial Regex Grace();
}
