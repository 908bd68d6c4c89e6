namespace Indaba.Server.Storage;

/// <summary>
/// The schema as a list that only grows: the version of a database is the number of entries that were run. An entry never
/// changes once released. Expand first, contract a release later, so that two neighbouring releases can share a database.
/// An entry that is empty in one dialect only counts there.
/// </summary>
internal static class Migrations
{
    private static readonly Func<Dialect, string>[] List =
    [
        Accounts,
        Mailboxes,
        Resumptions,
        Nodes,
        static d => d.IsPostgres ? MembershipTables.Text : "",
    ];

    /// <summary>The version this server knows.</summary>
    public static int Latest => List.Length;

    /// <summary>What makes version <paramref name="version"/> + 1 of <paramref name="version"/>.</summary>
    public static string Step(Dialect dialect, int version) => List[version](dialect);

    /// <exception cref="StorageException">The database was written by a newer server.</exception>
    public static void Refuse(int version)
    {
        if (version > Latest)
            throw new StorageException($"The data was written by a newer Indaba (schema {version}, this one knows {Latest}). Start that version, or restore an older backup.");
    }

    private static string Accounts(Dialect d) => $"""
        CREATE TABLE account (
            id {d.Identity}, tag {d.Text} NOT NULL UNIQUE, local {d.Text} NOT NULL, domain {d.Text} NOT NULL,
            role {d.Long} NOT NULL, disabled {d.Long} NOT NULL DEFAULT 0, created_at {d.Long} NOT NULL, deleted_at {d.Long});
        CREATE UNIQUE INDEX account_live ON account (domain, local) WHERE deleted_at IS NULL;

        CREATE TABLE credential (
            account {d.Long} NOT NULL REFERENCES account (id), hash {d.Text} NOT NULL, salt {d.Bytes} NOT NULL, iterations {d.Long} NOT NULL,
            stored_key {d.Bytes} NOT NULL, server_key {d.Bytes} NOT NULL, PRIMARY KEY (account, hash));

        CREATE TABLE roster (account {d.Long} PRIMARY KEY REFERENCES account (id), version {d.Long} NOT NULL, forgotten {d.Long} NOT NULL DEFAULT 0);
        CREATE TABLE roster_item (
            account {d.Long} NOT NULL REFERENCES account (id), jid {d.Text} NOT NULL, version {d.Long} NOT NULL, removed {d.Long} NOT NULL DEFAULT 0,
            name {d.Text}, subscription {d.Long} NOT NULL, ask {d.Long} NOT NULL, approved {d.Long} NOT NULL, pending_in {d.Bytes}, groups {d.Text},
            PRIMARY KEY (account, jid)){d.Clustered};

        CREATE TABLE data (
            account {d.Long} NOT NULL REFERENCES account (id), store {d.Text} NOT NULL, key {d.Text} NOT NULL, value {d.Bytes} NOT NULL,
            PRIMARY KEY (account, store, key));

        CREATE TABLE invitation (
            token {d.Text} NOT NULL PRIMARY KEY, kind {d.Text} NOT NULL, created_by {d.Long} REFERENCES account (id), created_at {d.Long} NOT NULL,
            expires_at {d.Long} NOT NULL, max_uses {d.Long} NOT NULL, uses {d.Long} NOT NULL, role {d.Long} NOT NULL, roster_jid {d.Text}, local {d.Text});
        CREATE INDEX invitation_creator ON invitation (created_by);
        CREATE INDEX invitation_end ON invitation (expires_at);
        CREATE INDEX invitation_local ON invitation (local) WHERE local IS NOT NULL;

        CREATE TABLE device (
            account {d.Long} NOT NULL REFERENCES account (id), device {d.Text} NOT NULL, name {d.Text}, software {d.Text}, resource {d.Text},
            first_seen {d.Long} NOT NULL, last_seen {d.Long} NOT NULL, PRIMARY KEY (account, device));

        CREATE TABLE token (
            account {d.Long} NOT NULL REFERENCES account (id), device {d.Text} NOT NULL, slot {d.Long} NOT NULL, mechanism {d.Text} NOT NULL,
            secret {d.Text} NOT NULL, created_at {d.Long} NOT NULL, expires_at {d.Long} NOT NULL, last_used_at {d.Long}, last_count {d.Long},
            PRIMARY KEY (account, device, slot));
        CREATE INDEX token_end ON token (expires_at);
        """;

    // log is only ever appended to and has no second b-tree, which would double the cost of a commit. log_index and
    // peer_index are filled behind the commit, up to log_state.indexed_pos; what lies above is found through memory.
    // No reference to account here: checking one costs a lookup a row, and an id that is never used again needs none.
    private static string Mailboxes(Dialect d) => d.IsPostgres ? PostgresMailboxes(d) : $"""
        CREATE TABLE log (
            pos {d.Long} PRIMARY KEY, account {d.Long} NOT NULL, seq {d.Long} NOT NULL, direction {d.Long} NOT NULL, flags {d.Long} NOT NULL,
            peer {d.Text} NOT NULL, target {d.Text}, sender {d.Text} NOT NULL, device {d.Text} NOT NULL, origin_id {d.Text}, message_id {d.Text},
            at {d.Long} NOT NULL, stanza {d.Bytes} NOT NULL);
        CREATE TABLE log_index (
            account {d.Long} NOT NULL, seq {d.Long} NOT NULL, pos {d.Long} NOT NULL, kind {d.Long} NOT NULL, at {d.Long} NOT NULL, lag {d.Long} NOT NULL,
            PRIMARY KEY (account, seq)){d.Clustered};
        CREATE TABLE peer_index (
            account {d.Long} NOT NULL, peer {d.Text} NOT NULL, seq {d.Long} NOT NULL, pos {d.Long} NOT NULL, kind {d.Long} NOT NULL, at {d.Long} NOT NULL,
            PRIMARY KEY (account, peer, seq)){d.Clustered};
        CREATE TABLE log_state (name {d.Text} NOT NULL PRIMARY KEY, value {d.Long} NOT NULL);
        CREATE TABLE log_trimmed (account {d.Long} PRIMARY KEY, last_seq {d.Long} NOT NULL);
        CREATE TABLE log_purge (account {d.Long} PRIMARY KEY, at {d.Long} NOT NULL);

        CREATE TABLE cursor (
            account {d.Long} NOT NULL, device {d.Text} NOT NULL, resource {d.Text} NOT NULL, acked_seq {d.Long} NOT NULL, at {d.Long} NOT NULL,
            PRIMARY KEY (account, device, resource)){d.Clustered};
        CREATE TABLE conversation (
            account {d.Long} NOT NULL, peer {d.Text} NOT NULL, delivered_seq {d.Long} NOT NULL, delivered_at {d.Long} NOT NULL,
            displayed_seq {d.Long} NOT NULL, displayed_at {d.Long} NOT NULL, PRIMARY KEY (account, peer)){d.Clustered};
        """;

    // One log for all accounts, found by its key and by peer. The epoch of a row is that of the state that wrote it: it says
    // after a broken connection whose row it is. log_head is the fence, see PostgresClaim. job has the marks of jobs, see PostgresJob.
    private static string PostgresMailboxes(Dialect d) => $"""
        CREATE TABLE log_head (
            account {d.Long} PRIMARY KEY, epoch {d.Long} NOT NULL, writer {d.Long} NOT NULL, former {d.Long} NOT NULL, trimmed {d.Long} NOT NULL DEFAULT 0);
        CREATE TABLE log (
            account {d.Long} NOT NULL, seq {d.Long} NOT NULL, epoch {d.Long} NOT NULL, at {d.Long} NOT NULL, direction SMALLINT NOT NULL, flags SMALLINT NOT NULL,
            peer {d.Text} NOT NULL, target {d.Text}, sender {d.Text} NOT NULL, device {d.Text} NOT NULL, origin_id {d.Text}, message_id {d.Text},
            stanza {d.Bytes} NOT NULL, PRIMARY KEY (account, seq));
        CREATE INDEX log_peer ON log (account, peer, seq);
        CREATE TABLE log_state (name {d.Text} NOT NULL PRIMARY KEY, value {d.Long} NOT NULL);
        CREATE TABLE log_purge (account {d.Long} PRIMARY KEY, at {d.Long} NOT NULL);
        CREATE TABLE job (id {d.Long} PRIMARY KEY, at {d.Long} NOT NULL);

        CREATE TABLE cursor (
            account {d.Long} NOT NULL, device {d.Text} NOT NULL, resource {d.Text} NOT NULL, acked_seq {d.Long} NOT NULL, at {d.Long} NOT NULL,
            PRIMARY KEY (account, device, resource));
        CREATE TABLE conversation (
            account {d.Long} NOT NULL, peer {d.Text} NOT NULL, delivered_seq {d.Long} NOT NULL, delivered_at {d.Long} NOT NULL,
            displayed_seq {d.Long} NOT NULL, displayed_at {d.Long} NOT NULL, PRIMARY KEY (account, peer));
        """;

    private static string Resumptions(Dialect d) => $"""
        CREATE TABLE resumption (id {d.Text} NOT NULL PRIMARY KEY, account {d.Long} NOT NULL, handled {d.Long} NOT NULL, at {d.Long} NOT NULL);
        CREATE INDEX resumption_account ON resumption (account);
        CREATE INDEX resumption_end ON resumption (at);
        """;

    // What the nodes of a cluster tell each other by way of the database: who is there, and the settings that all share.
    private static string Nodes(Dialect d) => $"""
        CREATE TABLE node (
            name {d.Text} NOT NULL PRIMARY KEY, address {d.Text} NOT NULL, ports {d.Text} NOT NULL, version {d.Text} NOT NULL, roles {d.Text} NOT NULL,
            state {d.Text} NOT NULL, started_at {d.Long} NOT NULL, beat_at {d.Long} NOT NULL, sessions {d.Long} NOT NULL, accounts {d.Long} NOT NULL,
            cpu {d.Long} NOT NULL, memory {d.Long} NOT NULL, commit_p50 {d.Long} NOT NULL, commit_p99 {d.Long} NOT NULL, queue {d.Long} NOT NULL);
        CREATE TABLE setting (name {d.Text} NOT NULL PRIMARY KEY, value {d.Text} NOT NULL, set_at {d.Long} NOT NULL, set_by {d.Text} NOT NULL);
        CREATE TABLE setting_version (id {d.Long} PRIMARY KEY, version {d.Long} NOT NULL);
        """;
}
