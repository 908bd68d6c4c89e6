using System.Globalization;
using Indaba.Cluster;

namespace Indaba.Faults;

/// <summary>What ejabberd and its HAProxy are told.</summary>
internal static class EjabberdFile
{
    /// <summary>
    /// Debian's modules without what limits or is not used here; the archive in PostgreSQL, all of it; stream management
    /// with resumption, and what was not acknowledged goes to the offline storage, which is on in its default.
    /// </summary>
    public static string Server(int port, PostgresServer database) => string.Create(CultureInfo.InvariantCulture, $$"""
        loglevel: warning
        hosts: [localhost]
        listen:
          - port: {{port}}
            ip: "127.0.0.1"
            module: ejabberd_c2s
            max_stanza_size: 262144
            shaper: none
            access: all
            backlog: 1024
        disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
        auth_password_format: scram
        registration_timeout: infinity
        shaper_rules:
          max_user_sessions: infinity
          max_user_offline_messages: infinity
        modules:
          mod_register:
            ip_access: all
            access: all
            password_strength: 0
          mod_disco: {}
          mod_roster: {}
          mod_offline:
            access_max_user_messages: max_user_offline_messages
          mod_ping: {}
          mod_blocking: {}
          mod_caps: {}
          mod_carboncopy: {}
          mod_client_state: {}
          mod_last: {}
          mod_privacy: {}
          mod_private: {}
          mod_stream_mgmt:
            resend_on_timeout: if_offline
          mod_mam:
            db_type: sql
            default: always
        sql_type: pgsql
        sql_server: {{database.Address}}
        sql_port: {{database.Port}}
        sql_database: {{PostgresServer.Name}}
        sql_username: {{PostgresServer.Name}}
        sql_password: unused

        """);

    /// <summary>One server, found dead by its silence as the nodes of Indaba are.</summary>
    public static string Balancer(BalancerPlace place, int port) => string.Create(CultureInfo.InvariantCulture, $$"""
        global
            maxconn 4000
        defaults
            mode tcp
            timeout connect 2s
            timeout client 1h
            timeout server 1h
            timeout check 1s
        listen xmpp
            bind {{place.Address}}:{{place.C2s}}
            option tcp-check
            tcp-check connect
            tcp-check send "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"
            tcp-check expect string stream:features
            tcp-check send </stream:stream>
            server node1 127.0.0.1:{{port}} check inter 1s fastinter 300ms downinter 500ms fall 3 rise 1 on-marked-down shutdown-sessions

        """);
}
