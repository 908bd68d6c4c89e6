namespace Indaba.Server.Storage;

/// <summary>
/// The tables in which Orleans' nodes find each other (its ADO.NET provider), PostgreSQL only. The provider reads the
/// statements that it runs from the table OrleansQuery, by the keys that it knows; the rest is ours. Each statement that
/// changes a row changes the version with it and counts what it changed: of two that began at the same version one wins.
/// </summary>
internal static class MembershipTables
{
    private const string Member = "deployment = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation";
    private const string Columns = "m.address, m.port, m.generation, m.siloname, m.hostname, m.status, m.proxyport, m.suspecttimes, m.starttime, m.iamalivetime, v.version";

    /// <summary>The migration.</summary>
    public const string Text = $"""
        CREATE TABLE orleans_version (deployment TEXT PRIMARY KEY, version INTEGER NOT NULL DEFAULT 0, at TIMESTAMPTZ NOT NULL DEFAULT now());
        CREATE TABLE orleans_member (
            deployment TEXT NOT NULL REFERENCES orleans_version (deployment), address TEXT NOT NULL, port INTEGER NOT NULL, generation INTEGER NOT NULL,
            siloname TEXT NOT NULL, hostname TEXT NOT NULL, status INTEGER NOT NULL, proxyport INTEGER, suspecttimes TEXT,
            starttime TIMESTAMPTZ NOT NULL, iamalivetime TIMESTAMPTZ NOT NULL, PRIMARY KEY (deployment, address, port, generation));
        CREATE TABLE OrleansQuery (QueryKey TEXT PRIMARY KEY, QueryText TEXT NOT NULL);

        INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
        ('InsertMembershipVersionKey', $q$
            WITH made AS (INSERT INTO orleans_version (deployment) VALUES (@DeploymentId) ON CONFLICT DO NOTHING RETURNING 1)
            SELECT count(*)::int FROM made $q$),
        ('InsertMembershipKey', $q$
            WITH turned AS (
                UPDATE orleans_version SET version = version + 1, at = now() WHERE deployment = @DeploymentId AND version = @Version
                    AND NOT EXISTS (SELECT 1 FROM orleans_member WHERE {Member}) RETURNING deployment),
            entered AS (
                INSERT INTO orleans_member (deployment, address, port, generation, siloname, hostname, status, proxyport, starttime, iamalivetime)
                SELECT deployment, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime FROM turned RETURNING 1)
            SELECT count(*)::int FROM entered $q$),
        ('UpdateMembershipKey', $q$
            WITH turned AS (
                UPDATE orleans_version SET version = version + 1, at = now() WHERE deployment = @DeploymentId AND version = @Version
                    AND EXISTS (SELECT 1 FROM orleans_member WHERE {Member}) RETURNING deployment),
            changed AS (
                UPDATE orleans_member SET status = @Status, suspecttimes = @SuspectTimes, iamalivetime = @IAmAliveTime
                WHERE {Member} AND EXISTS (SELECT 1 FROM turned) RETURNING 1)
            SELECT count(*)::int FROM changed $q$),
        ('UpdateIAmAlivetimeKey', $q$ UPDATE orleans_member SET iamalivetime = @IAmAliveTime WHERE {Member} $q$),
        ('MembershipReadRowKey', $q$
            SELECT {Columns} FROM orleans_version v LEFT JOIN orleans_member m
            ON m.deployment = v.deployment AND m.address = @Address AND m.port = @Port AND m.generation = @Generation WHERE v.deployment = @DeploymentId $q$),
        ('MembershipReadAllKey', $q$
            SELECT {Columns} FROM orleans_version v LEFT JOIN orleans_member m ON m.deployment = v.deployment WHERE v.deployment = @DeploymentId $q$),
        ('DeleteMembershipTableEntriesKey', $q$
            WITH gone AS (DELETE FROM orleans_member WHERE deployment = @DeploymentId RETURNING 1) SELECT count(*)::int FROM gone $q$),
        ('CleanupDefunctSiloEntriesKey', $q$
            DELETE FROM orleans_member WHERE deployment = @DeploymentId AND iamalivetime < @IAmAliveTime AND status <> 3 $q$), -- 3: active
        ('GatewaysQueryKey', $q$
            SELECT address, proxyport, generation FROM orleans_member WHERE deployment = @DeploymentId AND status = @Status AND proxyport > 0 $q$);
        """;
}
