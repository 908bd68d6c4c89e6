"""How Indaba is started and given accounts. All that the tests know of its command line stands here."""
import os
import pathlib
import shlex

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Server:
    domain = "localhost"
    websocket_path = "/xmpp-websocket"

    def __init__(self, folder, ports):
        built = ROOT / "src/Server/bin/Release/net10.0/indaba"
        self.command = shlex.split(os.environ.get("INDABA", "")) or [str(built)]
        self.data = folder / "data"
        self.ports = ports

    def start_command(self):
        settings = {"domain": self.domain, "bind": "127.0.0.1", "c2s.port": self.ports["xmpp"], "tls.port": self.ports["tls"],
                    "http.bind": "127.0.0.1", "http.port": self.ports["http"], "https.port": "off"}
        return [*self.command, "run", "--data", self.data, *(part for name, value in settings.items() for part in ("--set", f"{name}={value}"))]

    def add_user_command(self, name, password):
        return [*self.command, "user", "add", f"{name}@{self.domain}", "--password", password, "--data", self.data]
