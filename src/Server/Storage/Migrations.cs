using static Indaba.Server.Storage.Dialect;

namespace Indaba.Server.Storage;

/// <summary>
/// The schema as a list that only grows: the version of a database is the number of entries that were run. An entry never
/// changes once released. Expand first, contract a release later, so that two neighbouring releases can share a database.
/// </summary>
internal static class Migrations
{
    private static readonly string[] List =
    [
        Accounts,
        Mailboxes,
        Nodes,
    ];

    /// <summary>The version this server knows.</summary>
    public static int Latest => List.Length;

    /// <summary>Runs what is missing, each entry in a transaction of its own.</summary>
    /// <exception cref="StorageException">The database was written by a newer server.</exception>
    public static void Run(StoreConnection connection)
    {
        var version = ReadVersion(connection);
        if (version > Latest)
            throw new StorageException($"The data was written by a newer Indaba (schema {version}, this one knows {Latest}). Start that version, or restore an older backup.");
        for (; version < Latest; version++)
        {
            connection.Execute("BEGIN IMMEDIATE");
            try
            {
                connection.Execute(List[version]);
                WriteVersion(connection, version + 1);
                connection.Execute("COMMIT");
            }
            catch
            {
                if (InTransaction(connection)) connection.Execute("ROLLBACK");
                throw;
            }
        }
    }

    private const string Accounts = $"""
        CREATE TABLE account (
            id {Identity}, tag {Text} NOT NULL UNIQUE, local {Text} NOT NULL, domain {Text} NOT NULL,
            role {Long} NOT NULL, disabled {Long} NOT NULL DEFAULT 0, created_at {Long} NOT NULL, deleted_at {Long});
        CREATE UNIQUE INDEX account_live ON account (domain, local) WHERE deleted_at IS NULL;

        CREATE TABLE credential (
            account {Long} NOT NULL REFERENCES account (id), hash {Text} NOT NULL, salt {Bytes} NOT NULL, iterations {Long} NOT NULL,
            stored_key {Bytes} NOT NULL, server_key {Bytes} NOT NULL, PRIMARY KEY (account, hash));

        CREATE TABLE roster (account {Long} PRIMARY KEY REFERENCES account (id), version {Long} NOT NULL, forgotten {Long} NOT NULL DEFAULT 0);
        CREATE TABLE roster_item (
            account {Long} NOT NULL REFERENCES account (id), jid {Text} NOT NULL, version {Long} NOT NULL, removed {Long} NOT NULL DEFAULT 0,
            name {Text}, subscription {Long} NOT NULL, ask {Long} NOT NULL, approved {Long} NOT NULL, pending_in {Bytes}, groups {Text},
            PRIMARY KEY (account, jid)){Clustered};

        CREATE TABLE data (
            account {Long} NOT NULL REFERENCES account (id), store {Text} NOT NULL, key {Text} NOT NULL, value {Bytes} NOT NULL,
            PRIMARY KEY (account, store, key));

        CREATE TABLE invitation (
            token {Text} NOT NULL PRIMARY KEY, kind {Text} NOT NULL, created_by {Long} REFERENCES account (id), created_at {Long} NOT NULL,
            expires_at {Long} NOT NULL, max_uses {Long} NOT NULL, uses {Long} NOT NULL, role {Long} NOT NULL, roster_jid {Text}, local {Text});
        CREATE INDEX invitation_creator ON invitation (created_by);
        CREATE INDEX invitation_end ON invitation (expires_at);
        CREATE INDEX invitation_local ON invitation (local) WHERE local IS NOT NULL;

        CREATE TABLE device (
            account {Long} NOT NULL REFERENCES account (id), device {Text} NOT NULL, name {Text}, software {Text}, resource {Text},
            first_seen {Long} NOT NULL, last_seen {Long} NOT NULL, PRIMARY KEY (account, device));

        CREATE TABLE token (
            account {Long} NOT NULL REFERENCES account (id), device {Text} NOT NULL, slot {Long} NOT NULL, mechanism {Text} NOT NULL,
            secret {Text} NOT NULL, created_at {Long} NOT NULL, expires_at {Long} NOT NULL, last_used_at {Long}, last_count {Long},
            PRIMARY KEY (account, device, slot));
        CREATE INDEX token_end ON token (expires_at);
        """;

    // log is only ever appended to and has no second b-tree, which would double the cost of a commit. log_index and
    // peer_index are filled behind the commit, up to log_state.indexed_pos; what lies above is found through memory.
    // No reference to account here: checking one costs a lookup a row, and an id that is never used again needs none.
    private const string Mailboxes = $"""
        CREATE TABLE log (
            pos {Long} PRIMARY KEY, account {Long} NOT NULL, seq {Long} NOT NULL, direction {Long} NOT NULL, flags {Long} NOT NULL,
            peer {Text} NOT NULL, target {Text}, sender {Text} NOT NULL, device {Text} NOT NULL, origin_id {Text}, message_id {Text},
            at {Long} NOT NULL, stanza {Bytes} NOT NULL);
        CREATE TABLE log_index (
            account {Long} NOT NULL, seq {Long} NOT NULL, pos {Long} NOT NULL, kind {Long} NOT NULL, at {Long} NOT NULL, lag {Long} NOT NULL,
            PRIMARY KEY (account, seq)){Clustered};
        CREATE TABLE peer_index (
            account {Long} NOT NULL, peer {Text} NOT NULL, seq {Long} NOT NULL, pos {Long} NOT NULL, kind {Long} NOT NULL, at {Long} NOT NULL,
            PRIMARY KEY (account, peer, seq)){Clustered};
        CREATE TABLE log_state (name {Text} NOT NULL PRIMARY KEY, value {Long} NOT NULL);
        CREATE TABLE log_trimmed (account {Long} PRIMARY KEY, last_seq {Long} NOT NULL);
        CREATE TABLE log_purge (account {Long} PRIMARY KEY, at {Long} NOT NULL);

        CREATE TABLE cursor (
            account {Long} NOT NULL, device {Text} NOT NULL, resource {Text} NOT NULL, acked_seq {Long} NOT NULL, at {Long} NOT NULL,
            PRIMARY KEY (account, device, resource)){Clustered};
        CREATE TABLE conversation (
            account {Long} NOT NULL, peer {Text} NOT NULL, delivered_seq {Long} NOT NULL, delivered_at {Long} NOT NULL,
            displayed_seq {Long} NOT NULL, displayed_at {Long} NOT NULL, PRIMARY KEY (account, peer)){Clustered};
        """;

    // What the nodes of a cluster tell each other by way of the database: who is there, and the settings that all share.
    private const string Nodes = $"""
        CREATE TABLE node (
            name {Text} NOT NULL PRIMARY KEY, address {Text} NOT NULL, ports {Text} NOT NULL, version {Text} NOT NULL, roles {Text} NOT NULL,
            state {Text} NOT NULL, started_at {Long} NOT NULL, beat_at {Long} NOT NULL, sessions {Long} NOT NULL, accounts {Long} NOT NULL,
            cpu {Long} NOT NULL, memory {Long} NOT NULL, commit_p50 {Long} NOT NULL, commit_p99 {Long} NOT NULL, queue {Long} NOT NULL);
        CREATE TABLE setting (name {Text} NOT NULL PRIMARY KEY, value {Text} NOT NULL, set_at {Long} NOT NULL, set_by {Text} NOT NULL);
        CREATE TABLE setting_version (id {Long} PRIMARY KEY, version {Long} NOT NULL);
        """;
}
