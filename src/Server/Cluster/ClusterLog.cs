namespace Indaba.Server.Cluster;

/// <summary>What the cluster logs.</summary>
internal static partial class ClusterLog
{
    [LoggerMessage(200, LogLevel.Information, "node {Node} is there")]
    public static partial void NodeJoined(this ILogger log, string node);

    [LoggerMessage(201, LogLevel.Warning, "node {Node} is gone")]
    public static partial void NodeGone(this ILogger log, string node);

    [LoggerMessage(202, LogLevel.Debug, "batch {Number} to {Node} is sent again: {Reason}")]
    public static partial void LinkRetries(this ILogger log, string node, long number, string reason);

    [LoggerMessage(203, LogLevel.Error, "an item of a link from {Node} failed")]
    public static partial void ItemFailed(this ILogger log, string node, Exception error);

    [LoggerMessage(204, LogLevel.Error, "a batch from {Node} cannot be read; what follows in it is lost")]
    public static partial void BatchUnreadable(this ILogger log, string node, Exception error);

    [LoggerMessage(205, LogLevel.Warning, "{Account}: its owner could not be found; it is tried again")]
    public static partial void OwnerUnknown(this ILogger log, string account, Exception error);

    [LoggerMessage(206, LogLevel.Error, "following the membership failed")]
    public static partial void MembershipFailed(this ILogger log, Exception error);

    [LoggerMessage(207, LogLevel.Error, "telling of the end of node {Node} failed")]
    public static partial void AftermathFailed(this ILogger log, string node, Exception error);

    [LoggerMessage(208, LogLevel.Critical, "without the database for {Seconds} s while other nodes have it: this node ends so that they can take over its accounts; start it again")]
    public static partial void CutOff(this ILogger log, double seconds);
}
