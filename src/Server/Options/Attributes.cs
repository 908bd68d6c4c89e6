namespace Indaba.Server.Options;

/// <summary>A change of this setting takes effect at the next start; until then the old value stays in force.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class RestartAttribute : Attribute;

/// <summary>Of one node, or needed to find the database: it cannot be set for all nodes in the database.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class OneNodeAttribute : Attribute;

/// <summary>Never printed, neither in a log nor by <c>indaba settings</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SecretAttribute : Attribute;

/// <summary>The smallest and the largest number that is accepted, both included.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class BoundsAttribute(long min, long max) : Attribute
{
    public long Min => min;

    public long Max => max;
}
