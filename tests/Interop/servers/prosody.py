"""Prosody 0.12 as the server under test: tells a fault of a test from a fault of Indaba."""
import subprocess

CONFIG = """
run_as_root = true
data_path = "{folder}"
pidfile = "{folder}/prosody.pid"
log = {{ info = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {xmpp} }}
http_ports = {{ {http} }}
s2s_ports = {{ }}
https_ports = {{ }}
c2s_direct_tls_ports = {{ {tls} }}
admin_socket = "{folder}/prosody.sock"
authentication = "internal_hashed"
storage = "internal"
ssl = {{ certificate = "{folder}/cert.pem"; key = "{folder}/key.pem" }}
consider_websocket_secure = true
default_archive_policy = true
plugin_paths = {{ "{folder}" }}
modules_enabled = {{
    "mam_on_domain",
    "disco", "roster", "saslauth", "tls", "blocklist", "carbons", "mam", "offline", "ping", "presence", "message", "iq",
    "smacks", "version", "websocket", "posix", "admin_shell",
}}
VirtualHost "{domain}"
"""


class Server:
    domain = "localhost"
    websocket_path = "/xmpp-websocket"

    def __init__(self, folder, ports):
        self.config = folder / "prosody.cfg.lua"
        # profanity 0.13 looks for the archive at the domain only; Prosody announces it, as it may, at the account only
        (folder / "mod_mam_on_domain.lua").write_text('module:add_feature("urn:xmpp:mam:2");')
        self.config.write_text(CONFIG.format(folder=folder, domain=self.domain, **ports))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={self.domain}",
                        "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)

    def start_command(self):
        return ["prosody", "-F", "--config", self.config]

    def add_user_command(self, name, password):
        return ["prosodyctl", "--config", self.config, "register", name, self.domain, password]
