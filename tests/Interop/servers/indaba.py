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
        return [*self.command, "run", "--data", self.data,
                "--set", f"Domain={self.domain}",
                "--set", f"Listen:Xmpp=127.0.0.1:{self.ports['xmpp']}",
                "--set", f"Listen:Http=127.0.0.1:{self.ports['http']}"]

    def add_user_command(self, name, password):
        return [*self.command, "user", "add", f"{name}@{self.domain}", "--password", password, "--data", self.data]
